import { toFragments } from '../../../src/emulator/camera/fragments.ts';
import type { EncodedFrame, SourceFragment } from '../../../src/emulator/camera/video-source.ts';

/** @param gop frames from one key frame to the next */
async function* pass(options: { frames: number; gop: number; frameMillis: number; startMillis?: number }) {
  for (let index = 0; index < options.frames; index += 1) {
    const timeMillis = (options.startMillis ?? 0) + index * options.frameMillis;
    yield encoded({ timeMillis, durationMillis: options.frameMillis, keyFrame: index % options.gop === 0 });
  }
}

function encoded(frame: Partial<EncodedFrame> & { timeMillis: number }): EncodedFrame {
  return { durationMillis: 100, keyFrame: false, payload: Buffer.from(String(frame.timeMillis)), ...frame };
}

async function fragmentsOf(frames: AsyncIterable<EncodedFrame>): Promise<SourceFragment[]> {
  const fragments: SourceFragment[] = [];
  for await (const fragment of toFragments(frames)) fragments.push(fragment);
  return fragments;
}

async function* each(frames: readonly EncodedFrame[]) {
  yield* frames;
}

test.each([
  { name: 'each key frame, where they are a second apart', frames: 60, gop: 25, expected: [1000, 1000, 400] },
  { name: 'each key frame, where they are two seconds apart', frames: 60, gop: 50, expected: [2000, 400] },
  { name: 'some key frames, where they are closer', frames: 65, gop: 10, expected: [1200, 1200, 200] },
  { name: 'a second, where every frame is a key frame', frames: 60, gop: 1, expected: [1000, 1000, 400] },
])('cuts at $name', async ({ frames, gop, expected }) => {
  const fragments = await fragmentsOf(pass({ frames, gop, frameMillis: 40, startMillis: 77 }));

  expect(fragments.map(({ durationMillis }) => durationMillis)).toEqual(expected);
  for (const fragment of fragments) {
    expect(fragment.frames[0]).toMatchObject({ keyFrame: true, offsetMillis: 0 });
  }
  expect(fragments.flatMap((fragment) => fragment.frames)).toHaveLength(frames);
});

test('places frames in decoding order by the time they are shown at', async () => {
  const times = [0, 300, 100, 200, 1000, 900, 1200];
  const frames = times.map((timeMillis) => encoded({ timeMillis, keyFrame: timeMillis % 1000 === 0 }));

  const fragments = await fragmentsOf(each(frames));

  expect(
    fragments.map(({ durationMillis, frames }) => [durationMillis, frames.map((f) => f.offsetMillis)]),
  ).toEqual([
    [1000, [0, 300, 100, 200]],
    [300, [0, -100, 200]],
  ]);
});

test('repeats a pass that is shorter than a second', async () => {
  const fragments = await fragmentsOf(pass({ frames: 4, gop: 4, frameMillis: 100 }));

  expect(fragments.map(({ durationMillis }) => durationMillis)).toEqual([1200]);
  expect(fragments[0]?.frames.map((f) => f.offsetMillis)).toEqual([
    0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100,
  ]);
  expect(fragments[0]?.frames.map((f) => f.keyFrame)).toEqual([
    true,
    false,
    false,
    false,
    true,
    false,
    false,
    false,
    true,
    false,
    false,
    false,
  ]);
});

test('cuts after ten seconds without a key frame', async () => {
  const fragments = await fragmentsOf(pass({ frames: 250, gop: 250, frameMillis: 100 }));

  expect(fragments.map(({ durationMillis }) => durationMillis)).toEqual([10_000, 10_000, 5000]);
  expect(fragments.map(({ frames }) => frames[0]?.keyFrame)).toEqual([true, false, false]);
});

test('makes nothing of nothing', async () => {
  expect(await fragmentsOf(each([]))).toEqual([]);
});

import { loopByReading, loopFromMemory } from '../../../src/emulator/camera/looping.ts';
import type { EncodedFrame, SourceFragment } from '../../../src/emulator/camera/video-source.ts';

const track = { codecId: 'V_VP8', codecPrivate: null, pixelWidth: 64, pixelHeight: 64 };

/** Passes of `seconds` key frames, one a second, that count how often they were opened, read and freed. */
function passes(seconds: number) {
  const counts = { opened: 0, frames: 0, freed: 0 };
  async function* open(): AsyncGenerator<EncodedFrame, void, undefined> {
    counts.opened += 1;
    try {
      for (let second = 0; second < seconds; second += 1) {
        counts.frames += 1;
        const payload = Buffer.from([second]);
        yield { timeMillis: second * 1000, durationMillis: 1000, keyFrame: true, payload };
      }
    } finally {
      counts.freed += 1;
    }
  }
  return { counts, open };
}

async function take(source: AsyncIterable<SourceFragment>, count: number): Promise<number[]> {
  const seconds: number[] = [];
  for await (const { frames } of source) {
    seconds.push(frames[0]?.payload[0] ?? -1);
    if (seconds.length === count) break;
  }
  return seconds;
}

describe.each([
  ['loopByReading', loopByReading],
  ['loopFromMemory', loopFromMemory],
])('%s', (_, loop) => {
  test('goes on from the beginning after the end', async () => {
    const source = loop(track, passes(3).open);
    expect(await take(source, 8)).toEqual([0, 1, 2, 0, 1, 2, 0, 1]);
    await source.close();
  });

  test('lets several iterations go on side by side', async () => {
    const source = loop(track, passes(3).open);
    const results = await Promise.all([take(source, 4), take(source, 7), take(source, 1)]);
    expect(results).toEqual([[0, 1, 2, 0], [0, 1, 2, 0, 1, 2, 0], [0]]);
    await source.close();
  });

  test('fails where there are no frames', async () => {
    const source = loop(track, passes(0).open);
    await expect(take(source, 1)).rejects.toThrow('The video has no frames');
    await source.close();
  });

  test('frees every pass it opened', async () => {
    const { counts, open } = passes(3);
    const source = loop(track, open);
    await take(source, 5);
    await take(source, 1);
    await source.close();
    expect(counts.opened).toBeGreaterThan(0);
    expect(counts.freed).toBe(counts.opened);
  });
});

test('loopFromMemory reads each frame once, and only when it is needed', async () => {
  const { counts, open } = passes(5);
  const source = loopFromMemory(track, open);
  await Promise.all([take(source, 2), take(source, 1)]);
  // One more than was taken: a fragment ends where the next starts.
  expect(counts).toEqual({ opened: 1, frames: 3, freed: 0 });
  await Promise.all([take(source, 12), take(source, 7)]);
  expect(counts).toEqual({ opened: 1, frames: 5, freed: 1 });
  await source.close();
});

test('loopFromMemory ends its iterations when it is closed', async () => {
  const source = loopFromMemory(track, passes(3).open);
  const iterator = source[Symbol.asyncIterator]();
  await iterator.next();
  await source.close();
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
});

test('loopByReading opens a pass for each loop', async () => {
  const { counts, open } = passes(2);
  await take(loopByReading(track, open), 5);
  expect(counts).toEqual({ opened: 3, frames: 6, freed: 3 });
});

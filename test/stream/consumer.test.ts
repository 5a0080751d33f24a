import { EBML_HEADER, element, tagsElement, unknownSizeHeader } from '../../src/emulator/matroska-writer.ts';
import { CheckpointTracker } from '../../src/lease/checkpoint.ts';
import type { StartPosition } from '../../src/lease/lease.ts';
import { ElementId } from '../../src/matroska/elements.ts';
import { StreamConsumer } from '../../src/stream/consumer.ts';
import type { SampledFrame } from '../../src/stream/sampled-frame.ts';
import type { MediaSource, ReadPosition } from '../../src/stream/source.ts';
import { audioTrackEntry, block, getMediaFragment } from '../support/matroska.ts';
import { HastyClock, recorded } from '../support/services.ts';

/** A fragment with two I-frames, a second apart from the next. */
function fragment(number: number, options: { withoutTrailer?: boolean } = {}): Buffer {
  const content = [block(0, true, `${number}/0`), block(40, false, 'delta'), block(80, true, `${number}/2`)];
  return getMediaFragment({
    number: String(number),
    serverSeconds: String(1000 + number),
    content,
    ...options,
  });
}

const streamError = (code: string) =>
  Buffer.concat([
    EBML_HEADER,
    unknownSizeHeader(ElementId.Segment),
    tagsElement({ AWS_KINESISVIDEO_ERROR_CODE: code, AWS_KINESISVIDEO_ERROR_ID: code }),
  ]);

/** What a body is made of: bytes, or an error that cuts it. */
type Body = Array<Buffer | Error>;

interface Reading {
  bodies: Array<Body | Error>;
  interval?: number;
  start?: StartPosition;
  checkpoint?: ConstructorParameters<typeof CheckpointTracker>[0];
  submit?: (frame: SampledFrame, signal: AbortSignal) => Promise<void>;
}

/** Reads the bodies one after the other, then stops. */
async function read({
  bodies,
  interval = 1,
  start = { type: 'EARLIEST' },
  checkpoint = null,
  submit,
}: Reading) {
  const clock = new HastyClock();
  const observed = recorded(clock);
  const tracker = new CheckpointTracker(checkpoint);
  const stop = new AbortController();
  const positions: ReadPosition[] = [];
  const submitted: SampledFrame[] = [];
  const source: MediaSource = {
    open: async (_streamName, position) => {
      const body = bodies[positions.length];
      positions.push(position);
      if (body === undefined) stop.abort();
      if (body instanceof Error) throw body;
      return (async function* () {
        for (const part of body ?? []) {
          if (part instanceof Error) throw part;
          yield part;
        }
      })();
    },
  };
  const consumer = new StreamConsumer({
    streamName: 'front',
    start,
    tracker,
    inferenceInterval: interval,
    source,
    submit: async (frame, signal) => {
      submitted.push(frame);
      await submit?.(frame, signal);
    },
    clock,
    ...observed,
  });
  await consumer.run(stop.signal);
  return { ids: submitted.map(({ id }) => id), submitted, positions, tracker, clock, ...observed };
}

test('sampled frames are handed on with all that their result needs', async () => {
  const { submitted, tracker, total } = await read({ bodies: [[fragment(1), fragment(2)]], interval: 3 });
  expect(submitted.map(({ id, payload }) => [id, String(payload)])).toEqual([
    ['front/1/0', '1/0'],
    ['front/2/2', '2/2'],
  ]);
  expect(submitted[1]).toMatchObject({
    streamName: 'front',
    fragment: { fragmentNumber: '2', serverTimestampMillis: 1_002_000 },
    frame: { index: 2, trackNumber: 1, timecode: 80, keyFrame: true },
    codec: { width: 640, height: 360 },
  });
  expect(tracker.checkpoint).toBeNull();
  for (const { settle } of submitted) settle();
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '2', iFrameCounter: 4 });
  expect([
    total('FragmentsReceived', 'front'),
    total('IFramesReceived', 'front'),
    total('FramesReceived', 'front'),
  ]).toEqual([2, 4, 6]);
});

test('a clean end means: read on after the last complete fragment, at once', async () => {
  const { positions, ids, clock } = await read({ bodies: [[fragment(1)], [fragment(2)]] });
  expect(positions).toEqual([
    { type: 'EARLIEST' },
    { type: 'AFTER_FRAGMENT', fragmentNumber: '1' },
    { type: 'AFTER_FRAGMENT', fragmentNumber: '2' },
  ]);
  expect(ids).toEqual(['front/1/0', 'front/1/2', 'front/2/0', 'front/2/2']);
  expect(clock.sleeps).toEqual([0, 0]);
});

test('an idle camera is asked again after one to five seconds', async () => {
  const { clock } = await read({ bodies: [[], []] });
  for (const millis of clock.sleeps) {
    expect(millis).toBeGreaterThanOrEqual(1000);
    expect(millis).toBeLessThanOrEqual(5000);
  }
});

test.each([
  ['before its trailing tags', fragment(2, { withoutTrailer: true })],
  ['inside its last frame', fragment(2).subarray(0, fragment(2).indexOf('2/2') + 1)],
  ['inside its header', fragment(2).subarray(0, 20)],
])(
  'a fragment cut %s is read again, its counter set back, and nothing is handed on twice',
  async (_name, cut) => {
    const { ids, positions, tracker, submitted, total } = await read({
      bodies: [
        [fragment(1), cut, Object.assign(new Error('reset'), { code: 'ECONNRESET' })],
        [fragment(2), fragment(3)],
      ],
      interval: 3,
    });
    expect(ids).toEqual(['front/1/0', 'front/2/2']);
    expect(positions[1]).toEqual({ type: 'AFTER_FRAGMENT', fragmentNumber: '1' });
    for (const { settle } of submitted) settle();
    expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '3', iFrameCounter: 6 });
    expect(total('FramesSampled', 'front')).toBe(2);
    expect(total('Gaps', 'front')).toBe(0);
  },
);

test('a fragment that comes again after a resume is dropped by its number', async () => {
  const { ids } = await read({
    bodies: [
      [fragment(1), fragment(2)],
      [fragment(2), fragment(3)],
    ],
  });
  expect(ids).toEqual(['front/1/0', 'front/1/2', 'front/2/0', 'front/2/2', 'front/3/0', 'front/3/2']);
});

test('a start at a time begins with the first fragment at or after it', async () => {
  const start: StartPosition = { type: 'SERVER_TIMESTAMP', millis: 1_002_000 };
  const { ids, positions, submitted, tracker } = await read({
    bodies: [[fragment(1), fragment(2)]],
    start,
    interval: 2,
  });
  expect(positions[0]).toEqual(start);
  expect(ids).toEqual(['front/2/0']);
  for (const { settle } of submitted) settle();
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '2', iFrameCounter: 2 });
});

test('a checkpoint is where reading and counting go on', async () => {
  const checkpoint = { fragmentNumber: '4', serverTimestampMillis: 1_004_000, iFrameCounter: 7 };
  const { ids, positions } = await read({ bodies: [[fragment(5)]], checkpoint, interval: 4 });
  expect(positions[0]).toEqual({ type: 'AFTER_FRAGMENT', fragmentNumber: '4' });
  expect(ids).toEqual(['front/5/2']);
});

test('where the fragment to read on from is gone, its time is, and the gap is counted', async () => {
  const checkpoint = { fragmentNumber: '4', serverTimestampMillis: 1_004_000, iFrameCounter: 0 };
  const { positions, ids, total, lines } = await read({
    bodies: [[streamError('4000')], [fragment(9)]],
    checkpoint,
  });
  expect(positions[1]).toEqual({ type: 'SERVER_TIMESTAMP', millis: 1_004_000 });
  expect(ids).toEqual(['front/9/0', 'front/9/2']);
  expect(total('Gaps', 'front')).toBe(1);
  expect(lines).toContainEqual(
    expect.objectContaining({ level: 'error', code: '4000', streamName: 'front' }),
  );
});

test('a camera that is idle behind the gap is one gap, and the time is kept until something is read', async () => {
  const checkpoint = { fragmentNumber: '4', serverTimestampMillis: 1_004_000, iFrameCounter: 0 };
  const { positions, total } = await read({
    bodies: [[streamError('4000')], [], [streamError('4000')], [fragment(9)]],
    checkpoint,
  });
  const time = { type: 'SERVER_TIMESTAMP', millis: 1_004_000 };
  expect(positions.slice(1)).toEqual([time, time, time, { type: 'AFTER_FRAGMENT', fragmentNumber: '9' }]);
  expect(total('Gaps', 'front')).toBe(1);
});

test('a cut fragment that is gone at the second reading does not hold the checkpoint', async () => {
  const cut = fragment(2).subarray(0, fragment(2).indexOf('2/2'));
  const { submitted, tracker, total } = await read({ bodies: [[fragment(1), cut], [fragment(5)]] });
  for (const { settle } of submitted) settle();
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '5' });
  expect(total('Gaps', 'front')).toBe(1);
});

test.each([
  ['corrupt', Buffer.concat([fragment(2).subarray(0, fragment(2).indexOf('2/2')), Buffer.from('2/2\0\0')])],
  ['without trailing tags', Buffer.concat([fragment(2, { withoutTrailer: true }), fragment(3)])],
])('a stored fragment that is %s is read three times, then skipped as a counted gap', async (_name, bad) => {
  const { ids, positions, total } = await read({
    bodies: [[fragment(1), bad], [bad], [bad], [fragment(3)]],
    interval: 2,
  });
  expect(positions.slice(1, 4)).toEqual([
    { type: 'AFTER_FRAGMENT', fragmentNumber: '1' },
    { type: 'AFTER_FRAGMENT', fragmentNumber: '1' },
    { type: 'AFTER_FRAGMENT', fragmentNumber: '2' },
  ]);
  expect(ids).toEqual(['front/1/0', 'front/2/0', 'front/3/0']);
  expect(total('Gaps', 'front')).toBe(1);
});

test('failures back off, and do not end the reading', async () => {
  const failure = Object.assign(new Error('not there'), { name: 'ResourceNotFoundException' });
  const { ids, clock, lines } = await read({ bodies: [failure, failure, failure, [fragment(1)]] });
  expect(ids).toEqual(['front/1/0', 'front/1/2']);
  expect(clock.sleeps.slice(0, 3).every((millis) => millis >= 500)).toBe(true);
  const warnings = lines.filter(({ error }) => error === 'ResourceNotFoundException');
  expect(warnings.map(({ consecutiveFailures }) => consecutiveFailures)).toEqual([1, 2, 3]);
});

test('nothing is read while a frame is not taken; one given up is handed on at the next reading', async () => {
  let attempts = 0;
  const { ids, total } = await read({
    bodies: [[fragment(1)], [fragment(1)]],
    submit: async () => {
      attempts += 1;
      if (attempts === 1) throw new Error('no room');
    },
  });
  expect(ids).toEqual(['front/1/0', 'front/1/0', 'front/1/2']);
  expect(total('FramesSampled', 'front')).toBe(2);
  expect(total('FragmentsReceived', 'front')).toBe(1);
});

test('a codec that cannot be decoded is counted and named, and does not hold the checkpoint', async () => {
  const entry = element(ElementId.TrackEntry, [
    element(ElementId.TrackNumber, 1),
    element(ElementId.TrackType, 1),
    element(ElementId.CodecID, 'V_THEORA'),
  ]);
  const bytes = getMediaFragment({ number: '1', tracks: element(ElementId.Tracks, [entry]) });
  const { ids, tracker, total, lines } = await read({ bodies: [[bytes]] });
  expect(ids).toEqual([]);
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '1', iFrameCounter: 1 });
  expect([total('FramesSampled', 'front'), total('FramesFailed', 'front')]).toEqual([1, 1]);
  expect(lines).toContainEqual(
    expect.objectContaining({
      error: 'UNSUPPORTED_CODEC',
      fragmentNumber: '1',
      msg: expect.stringContaining('V_THEORA'),
    }),
  );
});

test('a stream without video has fragments and no I-frames', async () => {
  const tracks = element(ElementId.Tracks, [audioTrackEntry]);
  const bytes = getMediaFragment({ number: '1', tracks, content: [block(0, true, 'sound', 2)] });
  const { ids, tracker, total } = await read({ bodies: [[bytes]] });
  expect(ids).toEqual([]);
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '1', iFrameCounter: 0 });
  expect([total('FramesReceived', 'front'), total('IFramesReceived', 'front')]).toEqual([1, 0]);
});

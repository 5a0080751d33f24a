import { EBML_HEADER, element, tagsElement, unknownSizeHeader } from '../../src/emulator/matroska-writer.ts';
import { CheckpointTracker } from '../../src/lease/checkpoint.ts';
import type { StartPosition } from '../../src/lease/lease.ts';
import { ElementId } from '../../src/matroska/elements.ts';
import { StreamConsumer } from '../../src/stream/consumer.ts';
import type { SampledFrame, Tenure } from '../../src/stream/sampled-frame.ts';
import type { MediaSource, ReadPosition, StreamReference } from '../../src/stream/source.ts';
import { audioTrackEntry, block, getMediaFragment } from '../support/matroska.ts';
import { HastyClock, recorded } from '../support/services.ts';
import { lasting, openTenure } from '../support/tenure.ts';

const ARN = 'arn:aws:kinesisvideo:us-east-1:123456789012:stream/front/1700000000000';

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

const READ_STALL_TIMEOUT_MILLIS = 3_600_000;

/** The waits between bodies pass at once; no connection lasts long enough for its watchdog. */
class ReadingClock extends HastyClock {
  #advanced = 0;
  /** Watchdogs that wait. */
  watching = 0;

  advance(millis: number): void {
    this.#advanced += millis;
  }

  override monotonic(): number {
    return super.monotonic() + this.#advanced;
  }

  override async sleep(millis: number, signal?: AbortSignal): Promise<void> {
    if (millis < READ_STALL_TIMEOUT_MILLIS) return super.sleep(millis, signal);
    this.watching += 1;
    await new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    }).finally(() => {
      this.watching -= 1;
    });
  }
}

/** What a body is made of: bytes, milliseconds that pass, an error that cuts it. */
type Body = Array<Buffer | number | Error>;

interface Reading {
  bodies: Array<Body | Error>;
  interval?: number;
  start?: StartPosition;
  startPosition?: StartPosition;
  checkpoint?: ConstructorParameters<typeof CheckpointTracker>[0];
  tenure?: Tenure;
  submit?: (frame: SampledFrame, clock: ReadingClock) => Promise<void>;
}

/** Reads the bodies one after the other, then stops. */
async function read({
  bodies,
  interval = 1,
  start = { type: 'EARLIEST' },
  startPosition = { type: 'EARLIEST' },
  checkpoint = null,
  tenure = lasting,
  submit,
}: Reading) {
  const clock = new ReadingClock();
  const observed = recorded(clock);
  const tracker = new CheckpointTracker(checkpoint);
  const stop = new AbortController();
  const positions: ReadPosition[] = [];
  const streams: StreamReference[] = [];
  const stalls: number[] = [];
  const stallsWhileSubmitting: number[] = [];
  const submitted: SampledFrame[] = [];
  const source: MediaSource = {
    open: async (stream, position) => {
      const body = bodies[positions.length];
      streams.push(stream);
      stalls.push(consumer.stalledMillis);
      positions.push(position);
      if (body === undefined) stop.abort();
      if (body instanceof Error) throw body;
      return (async function* () {
        for (const part of body ?? []) {
          if (part instanceof Error) throw part;
          if (typeof part === 'number') clock.advance(part);
          else yield part;
        }
      })();
    },
  };
  const consumer = new StreamConsumer({
    streamName: 'front',
    streamArn: ARN,
    start,
    startPosition: () => startPosition,
    tracker,
    tenure,
    readStallTimeoutMillis: READ_STALL_TIMEOUT_MILLIS,
    inferenceInterval: interval,
    source,
    submit: async (frame) => {
      submitted.push(frame);
      await submit?.(frame, clock);
      stallsWhileSubmitting.push(consumer.stalledMillis);
    },
    clock,
    ...observed,
  });
  await consumer.run(stop.signal);
  const ids = submitted.map(({ id }) => id);
  const seen = { ids, submitted, positions, streams, stalls, stallsWhileSubmitting };
  return { ...seen, tracker, clock, ...observed };
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

test('a frame that is abandoned holds the checkpoint before its fragment, and is no longer under way', async () => {
  const { submitted, tracker } = await read({ bodies: [[fragment(1), fragment(2)]] });
  const [first, second, ...rest] = submitted;
  expect(submitted.every(({ tenure }) => tenure === lasting)).toBe(true);
  first?.settle();
  second?.abandon();
  for (const { settle } of rest) settle();
  await tracker.whenIdle();
  expect(tracker.checkpoint).toBeNull();
});

test('a reader whose tenure drains stops at the frame that is refused, which is no failure', async () => {
  const { tenure, drain } = openTenure();
  const { positions, tracker, lines, submitted } = await read({
    bodies: [[fragment(1)], [fragment(2)]],
    tenure,
    submit: async () => {
      drain();
      throw tenure.draining.reason;
    },
  });
  expect(positions).toHaveLength(1);
  expect(submitted).toHaveLength(1);
  await tracker.whenIdle();
  expect(lines.filter(({ level }) => level === 'warn')).toEqual([]);
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

test('a body that only repeats what was seen is idle', async () => {
  const { clock } = await read({ bodies: [[fragment(1)], [fragment(1)]] });
  expect(clock.sleeps).toEqual([0, expect.any(Number)]);
  expect(clock.sleeps[1]).toBeGreaterThanOrEqual(1000);
});

test('a body that ends cleanly inside a fragment goes on at once, unless that is all it held', async () => {
  const cut = fragment(2).subarray(0, -10);
  const { ids, clock, lines } = await read({ bodies: [[fragment(1), cut], [cut], [fragment(2)]] });
  expect(ids).toEqual(['front/1/0', 'front/1/2', 'front/2/0', 'front/2/2']);
  expect(clock.sleeps).toEqual([0, expect.any(Number), 0]);
  expect(clock.sleeps[1]).toBeGreaterThanOrEqual(500);
  expect(lines).toContainEqual(expect.objectContaining({ error: 'FRAGMENT_CUT', fragmentNumber: '2' }));
});

test.each(['3002', '4500', '4506', '5000'])(
  'the in-stream error %s backs off, and is no clean end',
  async (code) => {
    const { ids, positions, clock, lines, total } = await read({
      bodies: [[fragment(1), streamError(code)], [streamError(code)], [fragment(2)]],
    });
    expect(ids).toEqual(['front/1/0', 'front/1/2', 'front/2/0', 'front/2/2']);
    const after1 = { type: 'AFTER_FRAGMENT', fragmentNumber: '1' };
    expect(positions.slice(1, 3)).toEqual([after1, after1]);
    for (const millis of clock.sleeps.slice(0, 2)) expect(millis).toBeGreaterThanOrEqual(500);
    expect(lines).toContainEqual(expect.objectContaining({ level: 'warn', error: code }));
    expect([total('StreamErrors', 'front'), total('Gaps', 'front')]).toEqual([2, 0]);
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

test('fragment numbers compare as numbers, of whatever length', async () => {
  const { ids } = await read({ bodies: [[fragment(9), fragment(10)], [fragment(9)]] });
  expect(ids).toEqual(['front/9/0', 'front/9/2', 'front/10/0', 'front/10/2']);
});

test('the stream is asked for by its ARN, too', async () => {
  const { streams } = await read({ bodies: [] });
  expect(streams).toEqual([{ streamName: 'front', streamArn: ARN }]);
});

test('the first reading is told, and the one after a failure; those of an idle camera are not', async () => {
  const { lines } = await read({ bodies: [[], [], [new Error('reset')], [], []] });
  const readings = lines.filter(({ msg }) => String(msg).startsWith('reading'));
  expect(readings.map(({ level }) => level)).toEqual(['info', 'debug', 'debug', 'info', 'debug', 'debug']);
});

const CUT = fragment(1).subarray(0, fragment(1).indexOf('1/0'));

const answered = Object.assign(new Error('too many'), {
  name: 'ConnectionLimitExceededException',
  $metadata: { httpStatusCode: 400 },
});

test.each<[string, Body, boolean]>([
  ['a complete fragment', [100_000, fragment(1), new Error('reset')], true],
  ['the clean end of an idle body', [100_000], true],
  ['an exception that the service answers', [100_000, answered], true],
  ['an error that the service reports in the body', [100_000, streamError('4500')], true],
  ['a connection that is reset', [100_000, new Error('reset')], false],
  ['a connection that is reset in a fragment', [100_000, CUT, new Error('reset')], false],
  // It is skipped if it goes on like that: no other worker could read it.
  ['a fragment that the body ends in', [100_000, CUT], true],
])('%s: is that progress?', async (_name, body, isProgress) => {
  const { stalls } = await read({ bodies: [body] });
  expect((stalls[1] as number) < 100_000).toBe(isProgress);
});

test('a reader whose frame waits for its place is not stalled', async () => {
  const { stallsWhileSubmitting } = await read({
    bodies: [[fragment(1)]],
    submit: async (_frame, clock) => clock.advance(100_000),
  });
  expect(stallsWhileSubmitting).toEqual([0, 0]);
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

const AGED_OUT = { fragmentNumber: '4', serverTimestampMillis: 1_004_000, iFrameCounter: 0 };
const AFTER_4 = { type: 'AFTER_FRAGMENT', fragmentNumber: '4' };
const TIME_OF_4 = { type: 'SERVER_TIMESTAMP', millis: 1_004_000 };
const AFTER_9 = { type: 'AFTER_FRAGMENT', fragmentNumber: '9' };

const errors = (lines: ReadonlyArray<Record<string, unknown>>) =>
  lines.filter(({ level }) => level === 'error');

test('where the fragment to read on from is gone, its time is, and one line names what is missing', async () => {
  const { positions, ids, total, lines } = await read({
    bodies: [[streamError('4000')], [fragment(9), fragment(10)]],
    checkpoint: AGED_OUT,
  });
  expect(positions.slice(0, 2)).toEqual([AFTER_4, TIME_OF_4]);
  expect(ids).toEqual(['front/9/0', 'front/9/2', 'front/10/0', 'front/10/2']);
  expect(total('Gaps', 'front')).toBe(1);
  expect(errors(lines)).toEqual([
    expect.objectContaining({
      streamName: 'front',
      before: { fragmentNumber: '4', serverTimestampMillis: 1_004_000 },
      after: { fragmentNumber: '9', serverTimestampMillis: 1_009_000 },
      spanMillis: 5000,
    }),
  ]);
  expect(lines.at(-1)).toMatchObject({ GapDuration: [5000] });
});

test('where its time is gone too, the stream is read like a new one, and that is one gap', async () => {
  const startPosition: StartPosition = { type: 'SERVER_TIMESTAMP', millis: 1_008_000 };
  const { positions, ids, total, lines } = await read({
    bodies: [[streamError('4000')], [streamError('4000')], [], [streamError('4000')], [fragment(9)]],
    checkpoint: AGED_OUT,
    startPosition,
  });
  expect(positions).toEqual([AFTER_4, TIME_OF_4, startPosition, startPosition, startPosition, AFTER_9]);
  expect(ids).toEqual(['front/9/0', 'front/9/2']);
  expect(total('Gaps', 'front')).toBe(1);
  expect(errors(lines)).toHaveLength(1);
});

test('a camera that is idle behind the gap is one gap, and the time is kept until something is read', async () => {
  const { positions, total } = await read({
    bodies: [[streamError('4000')], [], [fragment(4)], [fragment(9)]],
    checkpoint: AGED_OUT,
  });
  expect(positions).toEqual([AFTER_4, TIME_OF_4, TIME_OF_4, TIME_OF_4, AFTER_9]);
  expect(total('Gaps', 'front')).toBe(1);
});

test('what ages out while it is read falls back to the time of what was read last', async () => {
  const { positions } = await read({
    bodies: [[streamError('4000')], [fragment(9), streamError('4000')], [fragment(12)]],
    checkpoint: AGED_OUT,
  });
  expect(positions[2]).toEqual({ type: 'SERVER_TIMESTAMP', millis: 1_009_000 });
});

test('a cut fragment that is gone at the second reading is a gap, and does not hold the checkpoint', async () => {
  const cut = fragment(2).subarray(0, fragment(2).indexOf('2/2'));
  const { submitted, tracker, total, lines } = await read({ bodies: [[fragment(1), cut], [fragment(5)]] });
  for (const { settle } of submitted) settle();
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '5' });
  expect(total('Gaps', 'front')).toBe(1);
  expect(errors(lines)).toEqual([
    expect.objectContaining({
      before: { fragmentNumber: '1', serverTimestampMillis: 1_001_000 },
      after: { fragmentNumber: '5', serverTimestampMillis: 1_005_000 },
      spanMillis: 4000,
      lostFragments: ['2'],
    }),
  ]);
});

test.each([
  ['corrupt', Buffer.concat([fragment(2).subarray(0, fragment(2).indexOf('2/2')), Buffer.from('2/2\0\0')])],
  ['without trailing tags', Buffer.concat([fragment(2, { withoutTrailer: true }), fragment(3)])],
])('a stored fragment that is %s is read three times, then skipped as a counted gap', async (_name, bad) => {
  const { ids, positions, total, lines } = await read({
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
  expect(errors(lines)).toEqual([expect.objectContaining({ lostFragments: ['2'], spanMillis: 2000 })]);
});

test('failures back off, and do not end the reading', async () => {
  const failure = Object.assign(new Error('not there'), { name: 'ResourceNotFoundException' });
  const { ids, clock, lines } = await read({ bodies: [failure, failure, failure, [fragment(1)]] });
  expect(ids).toEqual(['front/1/0', 'front/1/2']);
  expect(clock.sleeps.slice(0, 3).every((millis) => millis >= 500)).toBe(true);
  const warnings = lines.filter(({ error }) => error === 'ResourceNotFoundException');
  expect(warnings.map(({ consecutiveFailures }) => consecutiveFailures)).toEqual([1, 2, 3]);
});

test('no connection is watched when it is over, however it ended', async () => {
  const { clock } = await read({
    bodies: [[fragment(1)], [], new Error('refused'), [fragment(2), new Error('reset')]],
  });
  expect(clock.watching).toBe(0);
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

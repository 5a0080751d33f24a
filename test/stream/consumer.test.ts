import { element } from '../../src/emulator/matroska-writer.ts';
import type { StartPosition } from '../../src/lease/lease.ts';
import { ElementId } from '../../src/matroska/elements.ts';
import { audioTrackEntry, block, getMediaFragment } from '../support/matroska.ts';
import { everyNth } from '../support/sampling.ts';
import { lasting, openTenure } from '../support/tenure.ts';
import { ARN, type Body, fragment, read, streamError } from './read-bodies.ts';

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
    endpoint: { name: 'endpoint-1', inferenceInterval: 3 },
  });
  expect(submitted[1]?.codec().extradata?.toString('hex')).toBe('014d401effe1');
  expect(submitted[1]?.codec()).toBe(submitted[1]?.codec());
  expect(tracker.checkpoint).toBeNull();
  for (const { settle } of submitted) settle('PUBLISHED');
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
  first?.settle('PUBLISHED');
  second?.abandon();
  for (const { settle } of rest) settle('PUBLISHED');
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
    for (const { settle } of submitted) settle('PUBLISHED');
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
  for (const { settle } of submitted) settle('PUBLISHED');
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
  for (const { settle } of submitted) settle('PUBLISHED');
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

test('a codec that cannot be decoded is found by whoever decodes the frame', async () => {
  const entry = element(ElementId.TrackEntry, [
    element(ElementId.TrackNumber, 1),
    element(ElementId.TrackType, 1),
    element(ElementId.CodecID, 'V_THEORA'),
  ]);
  const bytes = getMediaFragment({ number: '1', tracks: element(ElementId.Tracks, [entry]) });
  const { ids, submitted } = await read({ bodies: [[bytes]] });
  expect(ids).toEqual(['front/1/0']);
  expect(() => submitted[0]?.codec()).toThrow(
    expect.objectContaining({ code: 'UNSUPPORTED_CODEC', message: expect.stringContaining('V_THEORA') }),
  );
});

test('one counter serves all endpoints, each frame goes to those whose turn it is, and is copied once', async () => {
  const { ids, submitted, tracker, total } = await read({
    bodies: [[fragment(1), fragment(2)]],
    plan: () => everyNth(2, 3),
  });
  expect(ids).toEqual([
    ...['front/1/0/endpoint-1', 'front/1/0/endpoint-2'],
    'front/2/0/endpoint-1',
    'front/2/2/endpoint-2',
  ]);
  expect(submitted[0]?.payload).toBe(submitted[1]?.payload);
  expect(total('FramesSampled', 'front')).toBe(4);
  for (const { settle } of submitted.slice(1)) settle('PUBLISHED');
  expect(tracker.checkpoint).toBeNull();
  submitted[0]?.settle('PUBLISHED');
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '2', iFrameCounter: 4 });
});

test('the slower of two endpoints sets the pace, and what it refuses is all that is handed on again', async () => {
  let refusals = 0;
  const { ids, total } = await read({
    bodies: [[fragment(1)], [fragment(1)]],
    plan: () => everyNth(2, 2),
    submit: async ({ endpoint }) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (endpoint.name !== 'endpoint-2' || refusals > 0) return;
      refusals += 1;
      throw new Error('no room');
    },
  });
  expect(ids).toEqual(['front/1/0/endpoint-1', 'front/1/0/endpoint-2', 'front/1/0/endpoint-2']);
  expect(total('FramesSampled', 'front')).toBe(2);
});

test('a change of what is sampled takes effect between two fragments; a cut one is read again as before', async () => {
  let plan = everyNth(1);
  const cut = fragment(2).subarray(0, fragment(2).indexOf('2/2'));
  const { ids } = await read({
    bodies: [
      [fragment(1), cut, new Error('reset')],
      [fragment(2), fragment(3)],
    ],
    plan: () => plan,
    submit: async ({ id }) => {
      if (id === 'front/2/0') plan = everyNth(2, 4);
    },
  });
  expect(ids).toEqual([
    ...['front/1/0', 'front/1/2', 'front/2/0', 'front/2/2'],
    ...['front/3/0/endpoint-1', 'front/3/0/endpoint-2'],
  ]);
});

test('nothing is read before it is known what is sampled, which is no stall', async () => {
  let asked = 0;
  const { ids, lines, stalls } = await read({
    bodies: [[fragment(1)]],
    plan: () => {
      asked += 1;
      return asked < 1000 ? null : everyNth(1);
    },
  });
  expect(ids).toEqual(['front/1/0', 'front/1/2']);
  expect(stalls[1]).toBeLessThan(1000);
  expect(lines.filter(({ msg }) => String(msg).includes('reading waits'))).toHaveLength(1);
});

test('a stream without video has fragments and no I-frames', async () => {
  const tracks = element(ElementId.Tracks, [audioTrackEntry]);
  const bytes = getMediaFragment({ number: '1', tracks, content: [block(0, true, 'sound', 2)] });
  const { ids, tracker, total } = await read({ bodies: [[bytes]] });
  expect(ids).toEqual([]);
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '1', iFrameCounter: 0 });
  expect([total('FramesReceived', 'front'), total('IFramesReceived', 'front')]).toEqual([1, 0]);
});

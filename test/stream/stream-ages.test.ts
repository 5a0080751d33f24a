import { fragment, read, streamError } from './read-bodies.ts';

type Reading = Awaited<ReturnType<typeof read>>;

/** Of the newest result and of the checkpoint, as they are measured now. */
function agesOf({ ages, metrics, lines }: Reading) {
  ages.report();
  metrics.flush();
  const line = lines.findLast((each) => each['StreamName'] === 'front') as Record<string, number[]>;
  return { result: line['NewestResultAge']?.[0], checkpoint: line['CheckpointAge']?.[0] };
}

/** The second frame of a fragment is 80 ms after the first. */
const OFFSET_MILLIS = 80;

test('a stream without video', async () => {
  const reading = await read({ bodies: [[], []], at: 9000 });
  expect(agesOf(reading)).toEqual({ result: 0, checkpoint: 0 });
});

describe('an idle camera', () => {
  const bodies = [[fragment(1)], [fragment(2)], []];

  test('whose frames are published keeps the age of the last result; the checkpoint is yet to be written', async () => {
    const reading = await read({ bodies, at: 5000, submit: async ({ settle }) => settle('PUBLISHED') });
    const { ages, clock, tracker } = reading;
    clock.advance(60_000);
    const now = clock.now() - 1_000_000;
    expect(agesOf(reading)).toEqual({ result: 3000 - OFFSET_MILLIS, checkpoint: now - 1000 });
    if (tracker.checkpoint !== null) ages.checkpointWritten(tracker.checkpoint);
    clock.advance(60_000);
    expect(agesOf(reading)).toEqual({ result: 3000 - OFFSET_MILLIS, checkpoint: now - 2000 });
  });

  test.each(['FAILED', 'DROPPED'] as const)('whose frames are %s has no result', async (end) => {
    const reading = await read({ bodies, at: 5000, submit: async ({ settle }) => settle(end) });
    expect(agesOf(reading).result).toBe(0);
  });

  test('whose frames are under way has the age of the first that has no result', async () => {
    const reading = await read({ bodies, at: 5000 });
    const { clock, submitted } = reading;
    expect(agesOf(reading).result).toBe(clock.now() - 1_000_000 - 1000);
    for (const { settle } of submitted.slice(0, 2)) settle('PUBLISHED');
    const age = clock.now() - 1_000_000 - 1000 - OFFSET_MILLIS;
    clock.advance(500);
    expect(agesOf(reading).result).toBe(age + 500);
    for (const { settle } of submitted.slice(2)) settle('DROPPED');
    expect(agesOf(reading).result).toBe(age);
  });
});

const publish = async ({ settle }: { settle: (end: 'PUBLISHED') => void }) => settle('PUBLISHED');
const failed = new Error('reset');
/** Of an idle camera, whose last video is from long before it is read again. */
const IDLE = { checkpoint: { fragmentNumber: '1', serverTimestampMillis: 1_001_000, iFrameCounter: 2 } };

describe('reading that fails lets the age rise: there may be video', () => {
  test('from the checkpoint on, at the second failure in a row', async () => {
    const reading = await read({ ...IDLE, bodies: [failed, [failed]], at: 9000 });
    expect(agesOf(reading).result).toBe(reading.clock.now() - 1_001_000);
  });

  test('where the body ends inside a fragment, from that on', async () => {
    const cut = fragment(2).subarray(0, -10);
    const reading = await read({ ...IDLE, bodies: [[], [cut]], at: 9000, submit: publish });
    expect(agesOf(reading).result).toBe(reading.clock.now() - 1_002_000 - OFFSET_MILLIS);
  });

  test('from where the stream starts on, in each tenure, if nothing could ever be read', async () => {
    const start = { type: 'SERVER_TIMESTAMP', millis: 900_000 } as const;
    const reading = await read({ start, bodies: [failed, failed], at: 9000 });
    expect(agesOf(reading).result).toBe(reading.clock.now() - 900_000);
  });

  test('not where what follows the checkpoint is gone: it is read elsewhere', async () => {
    const gone = [streamError('4000')];
    const twice = await read({ ...IDLE, bodies: [gone, gone], at: 9000 });
    expect(agesOf(twice).result).toBe(0);
    const again = await read({ ...IDLE, bodies: [gone, gone, gone], at: 9000 });
    expect(agesOf(again).result).toBeGreaterThan(9000);
  });

  test('not after one failure', async () => {
    const reading = await read({ ...IDLE, bodies: [failed], at: 9000 });
    expect(agesOf(reading)).toEqual({ result: 0, checkpoint: 0 });
  });
});

test('the first video of a tenure is the oldest that has no result', async () => {
  const reading = await read({ ...IDLE, bodies: [[fragment(8)]], at: 9000 });
  const sinceVideo = reading.clock.now() - 1_008_000;
  expect(agesOf(reading)).toEqual({ result: sinceVideo, checkpoint: sinceVideo });
});

describe('a stream that is read without a pause', () => {
  const bodies = [[fragment(1), fragment(2)], [fragment(3)]];

  test('and rarely sampled keeps the age of its last result; a checkpoint is due', async () => {
    const reading = await read({ bodies, interval: 1000, at: 9000, submit: publish });
    const { clock } = reading;
    clock.advance(600_000);
    expect(agesOf(reading)).toEqual({ result: 8000, checkpoint: clock.now() - 1_001_000 });
  });

  test('and not sampled at all is 0', async () => {
    const checkpoint = { fragmentNumber: '0', serverTimestampMillis: 1_000_000, iFrameCounter: 1 };
    const reading = await read({ bodies, interval: 1000, checkpoint, at: 9000 });
    expect(reading.submitted).toEqual([]);
    expect(agesOf(reading).result).toBe(0);
  });

  test.each(['FAILED', 'DROPPED'] as const)('and whose frames are all %s has no result', async (end) => {
    const reading = await read({ bodies, at: 9000, submit: async ({ settle }) => settle(end) });
    expect(agesOf(reading).result).toBe(reading.clock.now() - 1_001_000);
  });

  test('and whose queue is full, or whose plan is not known, is behind', async () => {
    const full = await read({ bodies, at: 9000, submit: async () => Promise.reject(failed) });
    expect(agesOf(full).result).toBe(full.clock.now() - 1_001_000);
    const cut = await read({ bodies: [[fragment(1).subarray(0, 400)]], interval: 1000, at: 9000 });
    expect(agesOf(cut).result).toBe(cut.clock.now() - 1_001_000);
  });
});

import { fragment, read } from './read-bodies.ts';

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

test('a body that fails, or ends inside a fragment, lets the age rise: there may be video', async () => {
  const cut = fragment(2).subarray(0, -10);
  const submit = async ({ settle }: { settle: (end: 'PUBLISHED') => void }) => settle('PUBLISHED');
  const last = { checkpoint: { fragmentNumber: '1', serverTimestampMillis: 1_001_000, iFrameCounter: 2 } };
  const failing = await read({ ...last, bodies: [[new Error('reset')]], at: 9000, submit });
  expect(agesOf(failing).result).toBe(failing.clock.now() - 1_001_000);
  const ending = await read({ ...last, bodies: [[], [cut]], at: 9000, submit });
  expect(agesOf(ending).result).toBe(ending.clock.now() - 1_002_000 - OFFSET_MILLIS);
});

test('a stream is behind from its first video on, also before it is known what is sampled', async () => {
  const reading = await read({ bodies: [[fragment(1)], [fragment(2)]], interval: 1000, at: 9000 });
  expect(agesOf(reading).result).toBe(reading.clock.now() - 1_001_000);
});

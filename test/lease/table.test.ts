import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import type { Lease } from '../../src/lease/lease.ts';
import type { SamplingPeriod } from '../../src/lease/sampling.ts';
import { LeaseLostError } from '../../src/lease/table.ts';
import { startLeaseTable } from '../support/lease-table.ts';

const { signal } = new AbortController();
const EARLIEST = { type: 'EARLIEST' } as const;
const ARN = 'arn:aws:kinesisvideo:us-east-1:123456789012:stream/front/1700000000000';

let local: Awaited<ReturnType<typeof startLeaseTable>>;

beforeEach(async () => {
  local = await startLeaseTable();
});

afterEach(() => local.close());

const checkpoint = {
  fragmentNumber: '91343852333181432392682062607743920146159169392',
  serverTimestampMillis: 5,
  iFrameCounter: 7,
};
const NOTHING = { checkpoint: null, sampling: null };
const DONE = { checkpoint, sampling: null };
const SAMPLING: SamplingPeriod[] = [
  {
    from: { type: 'START' },
    plan: {
      endpoints: [{ name: 'detector', acceptContentType: 'image/jpeg', inferenceInterval: 6 }],
      namesEndpoints: false,
    },
  },
  {
    from: { type: 'AFTER_FRAGMENT', fragmentNumber: checkpoint.fragmentNumber },
    plan: { endpoints: [], namesEndpoints: true },
  },
];

test('a lease is created once: its start never changes', async () => {
  const { leases, lease } = local;
  expect(await leases.create('front', ARN, { type: 'SERVER_TIMESTAMP', millis: 1000 }, signal)).toBe(true);
  expect(await leases.create('front', null, EARLIEST, signal)).toBe(false);
  expect(await lease()).toEqual({
    leaseKey: 'front',
    streamArn: ARN,
    leaseOwner: null,
    leaseCounter: 0,
    leaseEpoch: 0,
    ownerSwitchesSinceCheckpoint: 0,
    start: { type: 'SERVER_TIMESTAMP', millis: 1000 },
    checkpoint: null,
    sampling: [],
    retiredAtMillis: null,
  });
});

test('taking, a checkpoint and the release are seen by whoever reads next, and found by owner', async () => {
  const { leases, lease, taken } = local;
  const first = await taken('one');
  expect(await lease()).toEqual(first);
  expect(first).toMatchObject({ leaseOwner: 'one', leaseEpoch: 1, leaseCounter: 1 });
  expect(await leases.keysOf('one', signal)).toEqual(['front']);
  const written = await leases.write(first, DONE, signal);
  expect(await lease()).toEqual(written);
  expect(written).toMatchObject({ checkpoint, leaseCounter: 2, start: EARLIEST });
  await leases.release(
    written,
    { ...DONE, checkpoint: { ...checkpoint, iFrameCounter: 9 } },
    { type: 'ANYBODY' },
    signal,
  );
  expect(await lease()).toMatchObject({ leaseOwner: null, checkpoint: { iFrameCounter: 9 }, leaseEpoch: 1 });
  expect(await leases.keysOf('one', signal)).toEqual([]);
  expect(await leases.keysOf('$free', signal)).toEqual(expect.arrayContaining(['front', '$synchronization']));
});

test('of two that take the same lease one wins', async () => {
  const seen = await local.taken('one');
  const results = await Promise.allSettled(
    ['two', 'three'].map((owner) => local.leases.take(seen, owner, signal)),
  );
  expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(results).toContainEqual(expect.objectContaining({ reason: expect.any(LeaseLostError) }));
});

test('a former owner can write nothing, also after it has taken the lease anew', async () => {
  const { leases, lease, taken } = local;
  const first = await taken('one');
  const second = await leases.take(first, 'two', signal);
  expect(second.ownerSwitchesSinceCheckpoint).toBe(2);
  const writes = (owned: Lease) => [
    () => leases.write(owned, DONE, signal),
    () => leases.release(owned, DONE, { type: 'ANYBODY' }, signal),
    () => leases.release(owned, NOTHING, { type: 'WORKER', workerId: 'three' }, signal),
    () => leases.take(owned, 'three', signal),
  ];
  for (const write of writes(first)) await expect(write()).rejects.toBeInstanceOf(LeaseLostError);
  expect(await lease()).toEqual(second);
  // The same owner under a later epoch: what it believed under the earlier one is void.
  const third = await leases.take(second, 'one', signal);
  for (const write of writes(first)) await expect(write()).rejects.toBeInstanceOf(LeaseLostError);
  expect(await leases.write(third, DONE, signal)).toMatchObject({
    leaseEpoch: 3,
    ownerSwitchesSinceCheckpoint: 0,
  });
});

test('a hand-over names the next owner and raises the epoch, in the write of the last checkpoint', async () => {
  const { leases, lease, taken } = local;
  await leases.release(await taken('one'), DONE, { type: 'WORKER', workerId: 'two' }, signal);
  expect(await lease()).toMatchObject({ leaseOwner: 'two', leaseEpoch: 2, checkpoint });
  expect(await leases.keysOf('two', signal)).toEqual(['front']);
});

test.each([
  ['take', (lease: Lease) => local.leases.take(lease, 'two', signal)],
  [
    'hand-over',
    (lease: Lease) => local.leases.release(lease, DONE, { type: 'WORKER', workerId: 'two' }, signal),
  ],
  ['release', (lease: Lease) => local.leases.release(lease, DONE, { type: 'ANYBODY' }, signal)],
  [
    'retirement',
    (lease: Lease) => local.leases.release(lease, NOTHING, { type: 'RETIRED', nowMillis: 1 }, signal),
  ],
])(
  'a %s that landed although its answer was lost is recognised when it is tried again',
  async (_name, write) => {
    const lease = await local.taken('one');
    await write(lease);
    const landed = await local.lease();
    await write(lease);
    expect(await local.lease()).toEqual(landed);
  },
);

test('a checkpoint that comes after a later one changes nothing', async () => {
  const { leases, lease, taken } = local;
  const early = await taken('one');
  const later = await leases.write({ ...early, leaseCounter: 5 }, DONE, signal);
  const old = { ...DONE, checkpoint: { ...checkpoint, fragmentNumber: '1' } };
  await expect(leases.write(early, old, signal)).rejects.toBeInstanceOf(LeaseLostError);
  expect(await lease()).toEqual(later);
});

test("a retired lease is nobody's, keeps its checkpoint, and can be freed or start anew", async () => {
  const { leases, lease, taken } = local;
  await leases.release(await taken('one'), DONE, { type: 'RETIRED', nowMillis: 77 }, signal);
  expect(await lease()).toMatchObject({ leaseOwner: null, retiredAtMillis: 77, checkpoint });
  expect(await leases.keysOf('$free', signal)).not.toContain('front');
  expect(await leases.free(await lease(), {}, signal)).toBe(true);
  expect(await lease()).toMatchObject({ leaseOwner: null, retiredAtMillis: null, checkpoint, leaseEpoch: 2 });
  const start = { type: 'SERVER_TIMESTAMP', millis: 1234 } as const;
  expect(await leases.free(await lease(), { start, streamArn: ARN }, signal)).toBe(true);
  expect(await lease()).toMatchObject({ start, checkpoint: null, streamArn: ARN, leaseEpoch: 3 });
  expect(await leases.free(await lease(), { start: EARLIEST }, signal)).toBe(true);
  expect(await lease()).toMatchObject({ start: EARLIEST, checkpoint: null });
});

test('an owner whose lease was freed by somebody else has lost it', async () => {
  const { leases, lease, taken } = local;
  const owned = await taken('one');
  expect(await leases.free(owned, {}, signal)).toBe(true);
  await expect(leases.write(owned, DONE, signal)).rejects.toBeInstanceOf(LeaseLostError);
  // A second time it is recognised as done, until somebody takes the lease.
  expect(await leases.free(owned, {}, signal)).toBe(true);
  await leases.take(await lease(), 'two', signal);
  expect(await leases.free(owned, {}, signal)).toBe(false);
});

test('what is sampled is kept through takes, checkpoints and hand-overs, until the stream starts anew', async () => {
  const { leases, lease, taken } = local;
  const recorded = await leases.write(await taken('one'), { ...NOTHING, sampling: SAMPLING }, signal);
  expect(recorded).toMatchObject({ sampling: SAMPLING, checkpoint: null, ownerSwitchesSinceCheckpoint: 1 });
  expect(await lease()).toEqual(recorded);
  const second = await leases.take(recorded, 'two', signal);
  const written = await leases.write(second, DONE, signal);
  expect(await lease()).toEqual(written);
  expect(written).toMatchObject({ sampling: SAMPLING, checkpoint });
  const left = { ...NOTHING, sampling: SAMPLING.slice(1) };
  await leases.release(written, left, { type: 'WORKER', workerId: 'three' }, signal);
  expect(await lease()).toMatchObject({ leaseOwner: 'three', sampling: SAMPLING.slice(1) });
  await leases.free(await lease(), {}, signal);
  expect(await lease()).toMatchObject({ sampling: SAMPLING.slice(1) });
  await leases.free(await lease(), { start: EARLIEST }, signal);
  expect(await lease()).toMatchObject({ sampling: [], checkpoint: null });
});

test('whoever takes a lease has all that its owner wrote after it was seen', async () => {
  const { leases, lease, taken } = local;
  const seen = await taken('one');
  const written = await leases.write(seen, { checkpoint, sampling: SAMPLING }, signal);
  const second = await leases.take(seen, 'two', signal);
  expect(second).toMatchObject({ sampling: SAMPLING, checkpoint, leaseOwner: 'two', leaseEpoch: 2 });
  expect(await lease()).toEqual(second);
  await expect(leases.write(written, DONE, signal)).rejects.toBeInstanceOf(LeaseLostError);
  // One that was released meanwhile is found free by the next round.
  await leases.release(second, DONE, { type: 'ANYBODY' }, signal);
  await expect(leases.take(second, 'three', signal)).rejects.toBeInstanceOf(LeaseLostError);
  expect(await leases.take(await lease(), 'three', signal)).toMatchObject({ sampling: SAMPLING });
});

test('only a lease that nobody has taken since is deleted', async () => {
  const { leases, lease, taken } = local;
  const seen = await taken('one');
  await leases.take(seen, 'two', signal);
  await leases.delete(seen, signal);
  expect(await lease()).toMatchObject({ leaseOwner: 'two' });
  await leases.delete(await lease(), signal);
  expect(await leases.scan(signal)).toEqual([]);
});

test('an ARN is noted beside what the owner writes, once', async () => {
  const { leases, lease, taken } = local;
  const owned = await taken('one');
  await leases.nameStream('front', ARN, signal);
  await leases.nameStream('front', 'another', signal);
  await leases.nameStream('nobody', ARN, signal);
  await leases.write(owned, DONE, signal);
  expect(await lease()).toMatchObject({ streamArn: ARN, checkpoint });
  expect(await leases.get(['nobody'], signal)).toEqual([]);
});

test("the item has the Kinesis Client Library's names", async () => {
  await local.leases.write(await local.taken('one'), DONE, signal);
  const { Item } = await local.dynamoDb.send(
    new GetItemCommand({ TableName: 'leases', Key: { leaseKey: { S: 'front' } } }),
  );
  expect(Item).toEqual({
    leaseKey: { S: 'front' },
    leaseOwner: { S: 'one' },
    leaseCounter: { N: '2' },
    leaseEpoch: { N: '1' },
    ownerSwitchesSinceCheckpoint: { N: '0' },
    checkpoint: { S: checkpoint.fragmentNumber },
    checkpointTimestampMillis: { N: '5' },
    iFrameCounter: { N: '7' },
  });
});

test('more leases than a batch holds are read', async () => {
  const keys = Array.from({ length: 130 }, (_, index) => `stream-${index}`);
  for (const key of keys) await local.leases.create(key, null, EARLIEST, signal);
  const read = await local.leases.get([...keys, 'not-there'], signal);
  expect(read.map(({ leaseKey }) => leaseKey).sort()).toEqual(keys.sort());
});

test('an item that cannot be read is named with its attributes, and the others are read', async () => {
  await local.leases.create('good', null, EARLIEST, signal);
  const Item = { leaseKey: { S: 'bad' }, leaseCounter: { S: 'x' }, checkpoint: { S: 'somewhere' } };
  await local.dynamoDb.send(new PutItemCommand({ TableName: 'leases', Item }));
  const half = { ...(await rawItem('good')), leaseKey: { S: 'half' }, checkpoint: { S: '7' } };
  await local.dynamoDb.send(new PutItemCommand({ TableName: 'leases', Item: half }));
  const odd = { ...(await rawItem('good')), leaseKey: { S: 'odd' }, sampling: { S: '[{"endpoints":7}]' } };
  await local.dynamoDb.send(new PutItemCommand({ TableName: 'leases', Item: odd }));
  const leases = await local.leases.scan(signal);
  expect(leases.map(({ leaseKey }) => leaseKey)).toEqual(['good']);
  const code = 'INVALID_LEASE';
  expect(local.invalid).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ code, message: expect.stringMatching(/"bad".*leaseCounter.*checkpoint/s) }),
      expect.objectContaining({ code, message: expect.stringMatching(/"half".*checkpointTimestampMillis/s) }),
      expect.objectContaining({ code, message: expect.stringMatching(/"odd".*sampling.*endpoints/s) }),
    ]),
  );
});

async function rawItem(leaseKey: string) {
  return (await local.client.get(leaseKey, signal)) ?? {};
}

describe('workers', () => {
  const state = (heartbeat: number) => ({
    workerId: 'one',
    heartbeat,
    leaseCount: 3,
    isLeaving: false,
    requests: new Map([['front', { owner: 'two', kind: 'HAND_OVER' as const }]]),
  });

  test('a sign of life is seen by all, with what the worker asks for', async () => {
    await local.workers.beat(state(4), 1000, signal);
    expect(await local.workers.list(signal)).toEqual([state(4)]);
    expect(await local.workers.get('one', signal)).toEqual(state(4));
    expect(await local.leases.scan(signal)).toEqual([]);
  });

  test('one that comes late changes nothing, and a worker that has gone on is not removed', async () => {
    await local.workers.beat(state(4), 1000, signal);
    await local.workers.beat({ ...state(3), leaseCount: 99 }, 1000, signal);
    await local.workers.remove('one', 3, signal);
    expect(await local.workers.get('one', signal)).toEqual(state(4));
    await local.workers.remove('one', 4, signal);
    expect(await local.workers.get('one', signal)).toBeNull();
  });

  test('an item that cannot be read is reported, and the others are read', async () => {
    const Item = { leaseKey: { S: '$worker/bad' }, leaseOwner: { S: '$workers' }, heartbeat: { S: 'x' } };
    await local.dynamoDb.send(new PutItemCommand({ TableName: 'leases', Item }));
    await local.workers.beat(state(1), 1000, signal);
    expect(await local.workers.list(signal)).toEqual([state(1)]);
    expect(local.invalid).toMatchObject([{ message: expect.stringMatching(/"\$worker\/bad".*heartbeat/s) }]);
  });
});

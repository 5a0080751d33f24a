import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { systemClock } from '../../src/core/clock.ts';
import { type LocalService, startDynamoDb } from '../../src/emulator/dynamo-db.ts';
import type { Checkpoint } from '../../src/lease/checkpoint.ts';
import { LeaseKeeper } from '../../src/lease/keeper.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { LeaseTable } from '../../src/lease/table.ts';
import { LeaseTaker } from '../../src/lease/taker.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { localClient, recorded } from '../support/services.ts';

const FAILOVER_MILLIS = 9000;
const never = new AbortController().signal;

let service: LocalService;
let dynamoDb: DynamoDBClient;
let clock: ManualClock;
let table: LeaseTable;
let observed: ReturnType<typeof recorded>;
let stop: AbortController;

beforeEach(async () => {
  service = await startDynamoDb();
  dynamoDb = new DynamoDBClient(localClient(service.url));
  clock = new ManualClock();
  table = new LeaseTable({ dynamoDb, tableName: 'leases', clock: systemClock });
  observed = recorded(clock);
  stop = new AbortController();
  await table.ensureTable(never);
});

afterEach(async () => {
  stop.abort();
  dynamoDb.destroy();
  await service.close();
});

async function leases(): Promise<Lease[]> {
  return await table.list((error) => {
    throw error;
  }, never);
}

async function take(owner: string): Promise<Lease> {
  await table.create('front', { type: 'EARLIEST' }, never);
  const [lease] = await leases();
  if (lease === undefined) throw new Error('no lease');
  return await table.take(lease, owner, never);
}

const checkpoint = (fragmentNumber: string): Checkpoint => ({
  fragmentNumber,
  serverTimestampMillis: 1000,
  iFrameCounter: 3,
});

/** Lets time pass in steps until the condition holds, giving requests the time they need in between. */
async function pass(millis: number): Promise<void> {
  for (let passed = 0; passed < millis; passed += 500) {
    clock.advance(500);
    for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('the keeper', () => {
  function keep(lease: Lease, progress: { checkpoint: Checkpoint | null }) {
    const keeper = new LeaseKeeper({
      table,
      lease,
      checkpoint: () => progress.checkpoint,
      failoverTimeMillis: FAILOVER_MILLIS,
      checkpointIntervalMillis: 5000,
      clock,
      log: observed.log,
    });
    return { keeper, running: keeper.run(stop.signal) };
  }

  test('renews every third of the fail-over time, and writes the checkpoint with it', async () => {
    const progress: { checkpoint: Checkpoint | null } = { checkpoint: null };
    const { running } = keep(await take('one'), progress);
    await pass(4000);
    await eventuallyLease({ leaseCounter: 2, checkpoint: null });
    progress.checkpoint = checkpoint('7');
    await pass(4000);
    await eventuallyLease({ leaseCounter: 3, checkpoint: checkpoint('7') });
    stop.abort();
    expect(await running).toBe(true);
  });

  test('lets go with the last checkpoint, so that the lease can be taken at once', async () => {
    const progress = { checkpoint: checkpoint('7') };
    const { keeper, running } = keep(await take('one'), progress);
    stop.abort();
    expect(await running).toBe(true);
    await keeper.release(1000);
    expect(await leases()).toMatchObject([{ leaseOwner: null, checkpoint: checkpoint('7') }]);
  });

  test('ends when another worker has taken the lease', async () => {
    const lease = await take('one');
    const { running } = keep(lease, { checkpoint: checkpoint('7') });
    await table.take(lease, 'two', never);
    clock.advance(3000);
    expect(await running).toBe(false);
    expect(await leases()).toMatchObject([{ leaseOwner: 'two', checkpoint: null }]);
  });

  test('gives the lease up when no renewal has landed for the fail-over time', async () => {
    const { running } = keep(await take('one'), { checkpoint: null });
    let isKept: boolean | null = null;
    void running.then((kept) => {
      isKept = kept;
    });
    await service.close();
    await pass(6000);
    expect(isKept).toBeNull();
    await pass(12_000);
    expect(isKept).toBe(false);
    expect(observed.lines.filter(({ level }) => level === 'warn').length).toBeGreaterThan(1);
    service = await startDynamoDb();
  });

  async function eventuallyLease(expected: object): Promise<void> {
    for (let tries = 0; tries < 100; tries += 1) {
      const [lease] = await leases();
      if (JSON.stringify({ ...lease, ...expected }) === JSON.stringify(lease)) return;
    }
    expect(await leases()).toMatchObject([expected]);
  }
});

describe('the taker', () => {
  function taker(owner: string, streams: string[], isHeld = (_leaseKey: string) => false) {
    const taken: Lease[] = [];
    const running = new LeaseTaker({
      table,
      owner,
      discover: async () => streams,
      isHeld,
      startPosition: () => ({ type: 'SERVER_TIMESTAMP', millis: clock.now() }),
      onTaken: (lease) => taken.push(lease),
      failoverTimeMillis: FAILOVER_MILLIS,
      clock,
      log: observed.log,
    }).run(stop.signal);
    return { taken, running };
  }

  test('creates the leases that are missing, with the start fixed, and takes them', async () => {
    const { taken } = taker('one', ['front', 'back']);
    await eventually(() => taken.length === 2);
    expect(await leases()).toEqual(expect.arrayContaining(taken));
    expect(taken[0]).toMatchObject({
      leaseOwner: 'one',
      leaseEpoch: 1,
      start: { type: 'SERVER_TIMESTAMP', millis: clock.now() },
    });
  });

  test('leaves a lease alone while it is renewed, and takes it once it is not', async () => {
    let lease = await take('other');
    const { taken } = taker('one', ['front']);
    for (let round = 0; round < 6; round += 1) {
      lease = await table.renew(lease, null, never);
      await pass(3000);
    }
    expect(taken).toEqual([]);
    await pass(FAILOVER_MILLIS + 3500);
    await eventually(() => taken.length === 1);
    expect(taken).toMatchObject([{ leaseOwner: 'one', leaseEpoch: 2, ownerSwitchesSinceCheckpoint: 1 }]);
  });

  test('its own lease, renewed too slowly, is not taken anew while the stream is still worked on', async () => {
    await take('one');
    let isWorkedOn = true;
    const { taken } = taker('one', ['front'], () => isWorkedOn);
    await pass(FAILOVER_MILLIS * 2);
    expect(taken).toEqual([]);
    isWorkedOn = false;
    await pass(FAILOVER_MILLIS + 3500);
    await eventually(() => taken.length === 1);
  });

  test('a lease of a stream that is not wanted is left alone', async () => {
    await table.create('gone', { type: 'EARLIEST' }, never);
    const { taken } = taker('one', ['front']);
    await eventually(() => taken.length === 1);
    expect(taken.map(({ leaseKey }) => leaseKey)).toEqual(['front']);
  });

  test('a table that does not answer is tried again', async () => {
    await service.close();
    const { taken } = taker('one', ['front']);
    await eventually(() => observed.lines.some(({ level }) => level === 'error'));
    expect(taken).toEqual([]);
    stop.abort();
    service = await startDynamoDb();
  });
});

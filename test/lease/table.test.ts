import { CreateTableCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { systemClock } from '../../src/core/clock.ts';
import { type LocalService, startDynamoDb } from '../../src/emulator/dynamo-db.ts';
import { LeaseExpiry } from '../../src/lease/expiry.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { LeaseLostError, LeaseTable } from '../../src/lease/table.ts';

const { signal } = new AbortController();
let service: LocalService;
let dynamoDb: DynamoDBClient;
let table: LeaseTable;

beforeEach(async () => {
  service = await startDynamoDb();
  dynamoDb = new DynamoDBClient({
    endpoint: service.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
    maxAttempts: 1,
  });
  table = new LeaseTable({ dynamoDb, tableName: 'leases', clock: systemClock });
  await table.ensureTable(signal);
});

afterEach(async () => {
  dynamoDb.destroy();
  await service.close();
});

const rethrow = (error: unknown) => {
  throw error;
};

async function only(): Promise<Lease> {
  const [lease] = await table.list(rethrow, signal);
  if (lease === undefined) throw new Error('no lease');
  return lease;
}

const checkpoint = {
  fragmentNumber: '91343852333181432392682062607743920146159169392',
  serverTimestampMillis: 5,
  iFrameCounter: 7,
};

test('a lease is created once: its start never changes', async () => {
  await table.create('a', { type: 'SERVER_TIMESTAMP', millis: 1000 }, signal);
  await table.create('a', { type: 'EARLIEST' }, signal);
  expect(await only()).toEqual({
    leaseKey: 'a',
    leaseOwner: null,
    leaseCounter: 0,
    leaseEpoch: 0,
    ownerSwitchesSinceCheckpoint: 0,
    start: { type: 'SERVER_TIMESTAMP', millis: 1000 },
    checkpoint: null,
  });
});

test('taking, renewing with a checkpoint and releasing are seen by whoever reads next', async () => {
  await table.create('a', { type: 'EARLIEST' }, signal);
  const taken = await table.take(await only(), 'one', signal);
  expect(await only()).toEqual(taken);
  expect(taken).toMatchObject({ leaseOwner: 'one', leaseEpoch: 1, leaseCounter: 1 });
  const renewed = await table.renew(taken, checkpoint, signal);
  expect(await only()).toEqual(renewed);
  expect(renewed).toMatchObject({ checkpoint, leaseCounter: 2, start: { type: 'EARLIEST' } });
  await table.release(renewed, signal);
  expect(await only()).toMatchObject({ leaseOwner: null, checkpoint, leaseEpoch: 1 });
});

test('of two that take the same lease one wins', async () => {
  await table.create('a', { type: 'EARLIEST' }, signal);
  const seen = await only();
  const results = await Promise.allSettled(['one', 'two'].map((owner) => table.take(seen, owner, signal)));
  expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
    reason: expect.any(LeaseLostError),
  });
});

test('a former owner can neither renew, checkpoint nor release, also after it takes part anew', async () => {
  await table.create('a', { type: 'EARLIEST' }, signal);
  const first = await table.take(await only(), 'one', signal);
  const second = await table.take(first, 'two', signal);
  expect(second.ownerSwitchesSinceCheckpoint).toBe(1);
  for (const write of [
    () => table.renew(first, checkpoint, signal),
    () => table.renew(first, null, signal),
    () => table.release(first, signal),
  ]) {
    await expect(write()).rejects.toBeInstanceOf(LeaseLostError);
  }
  expect(await only()).toEqual(second);
  // The same owner under a later epoch: what it believed under the earlier one is void.
  const third = await table.take(second, 'one', signal);
  await expect(table.renew(first, checkpoint, signal)).rejects.toBeInstanceOf(LeaseLostError);
  await expect(table.renew(third, checkpoint, signal)).resolves.toMatchObject({
    leaseEpoch: 3,
    ownerSwitchesSinceCheckpoint: 0,
  });
});

test("the item has the Kinesis Client Library's names", async () => {
  await table.create('a', { type: 'EARLIEST' }, signal);
  await table.renew(await table.take(await only(), 'one', signal), checkpoint, signal);
  const { Item } = await dynamoDb.send(
    new GetItemCommand({ TableName: 'leases', Key: { leaseKey: { S: 'a' } } }),
  );
  expect(Item).toEqual({
    leaseKey: { S: 'a' },
    leaseOwner: { S: 'one' },
    leaseCounter: { N: '2' },
    leaseEpoch: { N: '1' },
    ownerSwitchesSinceCheckpoint: { N: '0' },
    checkpoint: { S: checkpoint.fragmentNumber },
    checkpointTimestampMillis: { N: '5' },
    iFrameCounter: { N: '7' },
  });
});

test('an item that cannot be read is named with its attributes, and the others are read', async () => {
  await table.create('good', { type: 'EARLIEST' }, signal);
  const Item = { leaseKey: { S: 'bad' }, leaseCounter: { S: 'x' }, checkpoint: { S: 'somewhere' } };
  await dynamoDb.send(new PutItemCommand({ TableName: 'leases', Item }));
  const errors: unknown[] = [];
  const leases = await table.list((error) => errors.push(error), signal);
  expect(leases.map(({ leaseKey }) => leaseKey)).toEqual(['good']);
  expect(errors).toMatchObject([
    { code: 'INVALID_LEASE', message: expect.stringMatching(/"bad".*leaseCounter.*checkpoint/s) },
  ]);
});

test('a table with another key is refused by name', async () => {
  await dynamoDb.send(
    new CreateTableCommand({
      TableName: 'other',
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  );
  const other = new LeaseTable({ dynamoDb, tableName: 'other', clock: systemClock });
  await expect(other.ensureTable(signal)).rejects.toThrow(
    '"other" has the key id HASH; a lease table has leaseKey HASH',
  );
});

describe('expiry', () => {
  const lease = (leaseCounter: number, leaseOwner: string | null = 'one'): Lease => ({
    leaseKey: 'a',
    leaseOwner,
    leaseCounter,
    leaseEpoch: 1,
    ownerSwitchesSinceCheckpoint: 0,
    start: { type: 'EARLIEST' },
    checkpoint: null,
  });

  test('a lease is expired when its counter has stood still for the fail-over time', () => {
    const expiry = new LeaseExpiry(10_000);
    expect(expiry.takeable([lease(1)], 0)).toEqual([]);
    expect(expiry.takeable([lease(1)], 9_999)).toEqual([]);
    expect(expiry.takeable([lease(1)], 10_000)).toEqual([lease(1)]);
    expect(expiry.takeable([lease(2)], 10_001)).toEqual([]);
    expect(expiry.takeable([lease(2)], 20_000)).toEqual([]);
    expect(expiry.takeable([lease(2)], 20_001)).toEqual([lease(2)]);
  });

  test('a free lease can be taken at once; one seen for the first time is given its time', () => {
    const expiry = new LeaseExpiry(10_000);
    expect(expiry.takeable([lease(1, null)], 50_000)).toEqual([lease(1, null)]);
    expect(expiry.takeable([lease(1)], 50_001)).toEqual([]);
  });
});

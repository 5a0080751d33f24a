import {
  BatchGetItemCommand,
  CreateTableCommand,
  type DynamoDBClient,
  GetItemCommand,
  ListTablesCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { Random } from '../support/random.ts';
import { SimulatedDynamoDb, type SimulatedDynamoDbOptions } from './dynamo-db.ts';
import { type Fate, type Outcome, randomFaults } from './faults.ts';
import type { Write } from './operations.ts';
import { type Machine, VirtualTime } from './time.ts';

type Send = (command: object, options?: { abortSignal: AbortSignal }) => Promise<object>;

const TableName = 'leases';
/** Each way takes this long, true milliseconds. */
const WAY_MILLIS = 10;

let time: VirtualTime;
let machine: Machine;
let outcome: Outcome;
let dynamoDb: SimulatedDynamoDb;
let log: Array<[number, unknown]>;

async function start(options: Partial<SimulatedDynamoDbOptions> = {}): Promise<void> {
  time = new VirtualTime();
  machine = time.machine({ id: 'one' });
  outcome = 'ANSWERED';
  log = [];
  const policy = (): Fate => ({ outcome, requestMillis: WAY_MILLIS, responseMillis: WAY_MILLIS });
  dynamoDb = new SimulatedDynamoDb({ time, random: new Random(1), policy, ...options });
  const command = new CreateTableCommand({
    TableName,
    AttributeDefinitions: [],
    KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
    GlobalSecondaryIndexes: [
      {
        IndexName: 'leaseOwner',
        KeySchema: [{ AttributeName: 'leaseOwner', KeyType: 'HASH' }],
        Projection: { ProjectionType: 'INCLUDE', NonKeyAttributes: ['heartbeat'] },
      },
    ],
  });
  await Promise.all([dynamoDb.client(machine).send(command), time.run(100)]);
}

beforeEach(() => start());

const key = (leaseKey: string) => ({ leaseKey: { S: leaseKey } });
const put = (leaseKey: string, attributes: object = {}) =>
  new PutItemCommand({ TableName, Item: { ...key(leaseKey), ...attributes } });
const get = (leaseKey: string) => new GetItemCommand({ TableName, Key: key(leaseKey), ConsistentRead: true });
const query = (owner: string) =>
  new QueryCommand({
    TableName,
    IndexName: 'leaseOwner',
    KeyConditionExpression: 'leaseOwner = :owner',
    ExpressionAttributeValues: { ':owner': { S: owner } },
  });

/** Logs when and how it is answered; `time.run` makes it be. */
function send(command: object, options?: { abortSignal: AbortSignal }): void {
  const client: Pick<DynamoDBClient, 'send'> = dynamoDb.client(machine);
  const note = (answer: unknown) => log.push([time.now, answer]);
  (client.send as Send)(command, options).then(note, (error: Error) => note(error.name));
}

/** Milliseconds since the beginning of the test. */
async function run(millis: number): Promise<void> {
  await time.run(100 + millis);
}

test('a request has its effect after one way, and is answered after two', async () => {
  send(put('a'));
  await run(WAY_MILLIS - 1);
  expect(dynamoDb.item(TableName, 'a')).toBeNull();
  await run(WAY_MILLIS);
  expect(dynamoDb.items(TableName)).toEqual([key('a')]);
  await run(1000);
  expect(log).toMatchObject([[100 + 2 * WAY_MILLIS, { $metadata: { httpStatusCode: 200 } }]]);
});

test('what goes in and out is not shared', async () => {
  const Item = { ...key('a'), heartbeat: { N: '1' } };
  send(new PutItemCommand({ TableName, Item }));
  Item.heartbeat.N = '2';
  await run(100);
  const item = dynamoDb.item(TableName, 'a');
  expect(item).toEqual({ ...key('a'), heartbeat: { N: '1' } });
  expect(Object.isFrozen(item) && Object.isFrozen(item?.['heartbeat'])).toBe(true);
});

test.each<[Outcome, string | null, boolean]>([
  ['ANSWERED', null, true],
  ['THROTTLED', 'ThrottlingException', false],
  ['THROUGHPUT_EXCEEDED', 'ProvisionedThroughputExceededException', false],
  ['HALF_PROCESSED', 'ProvisionedThroughputExceededException', false],
  ['FAILED', 'InternalServerError', false],
  ['FAILED_AFTER_EFFECT', 'InternalServerError', true],
  ['REQUEST_LOST', 'AbortError', false],
  ['RESPONSE_LOST', 'AbortError', true],
])('%s: answered with %s, effect: %s', async (fate, error, hasEffect) => {
  outcome = fate;
  const controller = new AbortController();
  machine.deliver(500, () => controller.abort());
  send(put('a'), { abortSignal: controller.signal });
  await run(1000);
  expect(dynamoDb.item(TableName, 'a') !== null).toBe(hasEffect);
  const at = error === 'AbortError' ? 600 : 100 + 2 * WAY_MILLIS;
  expect(log).toEqual([[at, error ?? expect.any(Object)]]);
});

test('half of a batch is left unprocessed', async () => {
  send(put('a'));
  send(put('b'));
  await run(100);
  outcome = 'HALF_PROCESSED';
  const Keys = [key('a'), key('b'), key('c')];
  send(new BatchGetItemCommand({ RequestItems: { [TableName]: { Keys, ConsistentRead: true } } }));
  await run(200);
  expect(log.at(-1)?.[1]).toMatchObject({
    Responses: { [TableName]: [key('a')] },
    UnprocessedKeys: { [TableName]: { Keys: Keys.slice(1), ConsistentRead: true } },
  });
});

test('a request that is called off has its effect, and rejects at once; later ones are not sent', async () => {
  const controller = new AbortController();
  send(put('a'), { abortSignal: controller.signal });
  machine.deliver(1, () => {
    controller.abort();
    send(put('b'), { abortSignal: controller.signal });
  });
  await run(1000);
  expect(log).toEqual([
    [101, 'AbortError'],
    [101, 'AbortError'],
  ]);
  expect(dynamoDb.items(TableName)).toEqual([key('a')]);
});

test('a paused machine is answered when it goes on, a killed one never; what they sent lands', async () => {
  const other = machine;
  machine = time.machine({ id: 'two' });
  send(put('a'));
  machine.pause();
  await run(500);
  expect(log).toEqual([]);
  machine.resume();
  await run(501);
  expect(log).toEqual([[600, expect.any(Object)]]);
  machine = other;
  send(put('b'));
  machine.kill();
  send(put('c'));
  await run(1000);
  expect(log).toHaveLength(1);
  expect(dynamoDb.items(TableName)).toEqual([key('a'), key('b')]);
});

test('an index follows the table after its delay, with its own attributes, in the order of the writes', async () => {
  const delays = [300, 0];
  await start({ indexDelayMillis: () => delays.shift() ?? 0 });
  const attributes = { leaseOwner: { S: 'one' }, heartbeat: { N: '1' } };
  send(put('a', { ...attributes, checkpoint: { S: 'x' } }));
  await run(20);
  send(put('a', { ...attributes, heartbeat: { N: '2' }, checkpoint: { S: 'x' } }));
  await run(290);
  send(query('one'));
  await run(400);
  send(query('one'));
  await run(500);
  expect(log.slice(2)).toMatchObject([
    [410, { Items: [] }],
    [520, { Items: [{ ...key('a'), ...attributes, heartbeat: { N: '2' } }], Count: 1 }],
  ]);
});

test('a table that is being created is not there yet', async () => {
  await start({ createTableMillis: 1000 });
  send(get('a'));
  await run(1000);
  send(get('a'));
  await run(2000);
  expect(log).toMatchObject([
    [120, 'ResourceNotFoundException'],
    [1120, {}],
  ]);
});

test('requests and request units are counted, by machine and operation', async () => {
  const kilobyte = { S: 'x'.repeat(1000) };
  send(put('a', { leaseOwner: { S: 'one' }, text: kilobyte }));
  await run(100);
  send(get('a'));
  send(query('one'));
  // Not in the index: one unit for the item. Of the two after it, the first moves it there, the second changes nothing.
  for (const owner of ['one', 'two', 'two']) {
    send(
      new UpdateItemCommand({
        TableName,
        Key: key('a'),
        UpdateExpression: 'SET leaseOwner = :owner, checkpoint = :text',
        ConditionExpression: 'leaseOwner <> :never',
        ExpressionAttributeValues: { ':owner': { S: owner }, ':text': { S: 'y' }, ':never': { S: '-' } },
      }),
    );
  }
  await run(200);
  const usage = dynamoDb.usage.filter(({ operation }) => operation !== 'CreateTable');
  expect(usage).toEqual([
    // 1,026 bytes are two units, and the index's entry is one.
    { machineId: 'one', operation: 'PutItem', requests: 1, readRequestUnits: 0, writeRequestUnits: 3 },
    { machineId: 'one', operation: 'GetItem', requests: 1, readRequestUnits: 1, writeRequestUnits: 0 },
    { machineId: 'one', operation: 'Query', requests: 1, readRequestUnits: 0.5, writeRequestUnits: 0 },
    // Two each, and two for the move in the index.
    { machineId: 'one', operation: 'UpdateItem', requests: 3, readRequestUnits: 0, writeRequestUnits: 8 },
  ]);
});

test('every change is reported as it lands, and what the report throws ends the run', async () => {
  const writes: Write[] = [];
  await start({
    onWrite: (write) => {
      writes.push(write);
      if (write.key === 'bad') throw new Error('must not be written');
    },
  });
  send(put('a'));
  await run(100);
  expect(writes).toEqual([
    { machineId: 'one', tableName: TableName, key: 'a', before: null, after: key('a') },
  ]);
  send(put('bad'));
  await expect(run(200)).rejects.toThrow('must not be written');
});

test.each([
  ['ListTables', new ListTablesCommand({})],
  [
    'ReturnConsumedCapacity',
    new GetItemCommand({ TableName, Key: key('a'), ReturnConsumedCapacity: 'TOTAL' }),
  ],
  ['"size"', new PutItemCommand({ TableName, Item: key('a'), ConditionExpression: 'size(x) < y' })],
  ['"ADD"', new UpdateItemCommand({ TableName, Key: key('a'), UpdateExpression: 'ADD x :x' })],
  ['type B', new PutItemCommand({ TableName, Item: { ...key('a'), x: { B: new Uint8Array(1) } } })],
  ['more than 15 digits', put('a', { x: { N: '1234567890123456' } })],
])('%s is not known: it ends the run', async (name, command) => {
  send(command);
  await expect(run(100)).rejects.toMatchObject({
    name: 'UnsupportedError',
    message: expect.stringContaining(name),
  });
  expect(log).toEqual([]);
});

test('faults come as often as they should; an outage is of its time and its machines', () => {
  const random = new Random(5);
  const policy = randomFaults({
    probabilities: { THROTTLED: 0.1, RESPONSE_LOST: 0.3 },
    outages: [{ fromMillis: 10, toMillis: 20, outcome: 'REQUEST_LOST', machineIds: new Set(['one']) }],
  });
  const outcomes = (machineId: string, now: number) => {
    const fates = Array.from({ length: 5000 }, () =>
      policy({ machineId, operation: 'GetItem', now, random }),
    );
    const share = (wanted: Outcome) => fates.filter((fate) => fate.outcome === wanted).length / fates.length;
    return { throttled: share('THROTTLED'), lost: share('RESPONSE_LOST'), out: share('REQUEST_LOST') };
  };
  for (const usual of [outcomes('one', 9), outcomes('one', 20), outcomes('two', 15)]) {
    expect(usual.throttled).toBeCloseTo(0.1, 1);
    expect(usual.lost).toBeCloseTo(0.3, 1);
    expect(usual.out).toBe(0);
  }
  expect(outcomes('one', 10)).toEqual({ throttled: 0, lost: 0, out: 1 });
});

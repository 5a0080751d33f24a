import {
  type AttributeValue,
  BatchGetItemCommand,
  CreateTableCommand,
  DeleteItemCommand,
  DescribeTableCommand,
  type DescribeTableCommandOutput,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import { type LocalService, startDynamoDb } from '../../src/emulator/dynamo-db.ts';
import { Random } from '../support/random.ts';
import { SimulatedDynamoDb } from './dynamo-db.ts';
import { VirtualTime } from './time.ts';

/*
 * The model gives the answers that the emulator gives, errors by name.
 */

type Item = Record<string, AttributeValue>;
type Send = (command: object) => Promise<object>;
type Request = readonly [keyof typeof COMMANDS, object];

const COMMANDS = {
  BatchGetItem: BatchGetItemCommand,
  CreateTable: CreateTableCommand,
  DeleteItem: DeleteItemCommand,
  DescribeTable: DescribeTableCommand,
  GetItem: GetItemCommand,
  PutItem: PutItemCommand,
  Query: QueryCommand,
  Scan: ScanCommand,
  UpdateItem: UpdateItemCommand,
};

let service: LocalService;
let dynamoDb: DynamoDBClient;

beforeAll(async () => {
  service = await startDynamoDb();
  dynamoDb = new DynamoDBClient({
    endpoint: service.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
    maxAttempts: 1,
  });
});

afterAll(async () => {
  dynamoDb.destroy();
  await service.close();
});

function model(): Send {
  const time = new VirtualTime();
  const simulated = new SimulatedDynamoDb({ time, random: new Random(1) });
  const client = simulated.client(time.machine({ id: 'one' }));
  return async (command) => {
    const answer = (client.send as Send)(command);
    answer.catch(() => undefined);
    await time.run(time.now + 1000);
    return await answer;
  };
}

const emulator: Send = (command) => (dynamoDb.send as Send)(command);

/** Tables are new for each sequence of requests. */
let tableCount = 0;

const TABLE: Request = [
  'CreateTable',
  {
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [
      { AttributeName: 'leaseKey', AttributeType: 'S' },
      { AttributeName: 'leaseOwner', AttributeType: 'S' },
    ],
    KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
    GlobalSecondaryIndexes: [
      {
        IndexName: 'leaseOwner',
        KeySchema: [{ AttributeName: 'leaseOwner', KeyType: 'HASH' }],
        Projection: { ProjectionType: 'INCLUDE', NonKeyAttributes: ['heartbeat', 'isLeaving', 'requests'] },
      },
    ],
  },
];

/** Items and sets come in any order. */
function comparable(value: unknown, name = 'Items'): unknown {
  if (Array.isArray(value)) {
    const texts = value.map((inner) => JSON.stringify(comparable(inner, '')));
    return name === 'Items' || name === 'SS' ? texts.sort() : texts;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, comparable(inner, key)]));
}

/** The output without metadata, or the error; of a batch the items alone. */
async function answerOf(send: Send, [operation, input]: Request, TableName: string): Promise<unknown> {
  const Command = COMMANDS[operation] as new (input: object) => object;
  const isBatch = operation === 'BatchGetItem';
  const complete = isBatch ? { RequestItems: { [TableName]: input } } : { ...input, TableName };
  try {
    const { $metadata: _, ...output } = (await send(new Command(complete))) as Record<string, unknown>;
    return isBatch ? (output['Responses'] as Record<string, unknown>)[TableName] : output;
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
    return { error: name, httpStatusCode: $metadata?.httpStatusCode };
  }
}

async function tableStatus(send: Send, TableName: string): Promise<string | undefined> {
  const { Table } = (await send(new DescribeTableCommand({ TableName }))) as DescribeTableCommandOutput;
  return Table?.TableStatus;
}

/** @returns the answers, which are those of both */
async function expectSame(requests: readonly Request[]): Promise<unknown[]> {
  tableCount += 1;
  const tableName = `table-${tableCount}`;
  const simulated = model();
  for (const send of [simulated, emulator]) {
    await answerOf(send, TABLE, tableName);
    while ((await tableStatus(send, tableName)) !== 'ACTIVE');
  }
  const answers: unknown[] = [];
  for (const request of [...requests, ['Scan', { ConsistentRead: true }] as const]) {
    const actual = await answerOf(simulated, request, tableName);
    const expected = await answerOf(emulator, request, tableName);
    expect({ request, answer: comparable(actual) }).toEqual({ request, answer: comparable(expected) });
    answers.push(actual);
  }
  return answers;
}

const keys = ['a', 'b', 'c'];
const leaseKey = fc.constantFrom(...keys).map((S) => ({ leaseKey: { S } }));
const owner: fc.Arbitrary<AttributeValue> = fc.constantFrom('one', 'two', '$free').map((S) => ({ S }));
const number: fc.Arbitrary<AttributeValue> = fc.oneof(
  fc.integer({ min: -3, max: 12 }).map((value) => ({ N: String(value) })),
  fc.constantFrom('1.50', '007', '-0.25').map((N) => ({ N })),
);
const scalar: fc.Arbitrary<AttributeValue> = fc.oneof(
  number,
  owner,
  fc.boolean().map((BOOL) => ({ BOOL })),
  fc.constant({ NULL: true }),
);
const anything: fc.Arbitrary<AttributeValue> = fc.oneof(
  scalar,
  fc.subarray(['x', 'y', 'z'], { minLength: 1 }).map((SS) => ({ SS })),
  fc.array(scalar, { maxLength: 3 }).map((L) => ({ L })),
  fc.dictionary(fc.constantFrom('k', 'l'), scalar).map((M) => ({ M })),
);
const map: fc.Arbitrary<AttributeValue> = fc
  .dictionary(fc.constantFrom('k', 'l'), scalar)
  .map((M) => ({ M }));
const attributes: fc.Arbitrary<Item> = fc.record(
  {
    leaseOwner: owner,
    heartbeat: number,
    isLeaving: scalar,
    requests: fc.oneof(map, scalar),
    anything,
  },
  { requiredKeys: [] },
);
const item: fc.Arbitrary<Item> = fc.tuple(leaseKey, attributes).map(([key, rest]) => ({ ...key, ...rest }));

const comparison = fc
  .tuple(
    fc.constantFrom('leaseOwner', 'heartbeat', 'isLeaving', 'requests.#k'),
    fc.constantFrom('=', '<>', '<', '<=', '>', '>='),
    fc.constantFrom(':owner', ':number'),
    fc.boolean(),
  )
  .map(([path, sign, value, isTurned]) => (isTurned ? `${value}${sign}${path}` : `${path} ${sign} ${value}`));
const existence = fc
  .tuple(
    fc.constantFrom('attribute_exists', 'attribute_not_exists'),
    fc.constantFrom('leaseKey', 'isLeaving', 'requests.#k'),
  )
  .map(([name, path]) => `${name}(${path})`);
const { condition } = fc.letrec<{ condition: string }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    comparison,
    existence,
    fc
      .tuple(tie('condition'), fc.constantFrom('AND', 'OR', 'and'), tie('condition'))
      .map((parts) => parts.join(' ')),
    fc.oneof(comparison, existence).map((inner) => `NOT ${inner}`),
    fc
      .tuple(tie('condition'), fc.constantFrom('AND', 'OR'), tie('condition'), fc.constantFrom('', 'NOT '))
      .map(([one, sign, other, not]) => `${not}(${one} ${sign} ${other})`),
  ),
}));
const update = fc
  .record({
    set: fc.subarray([
      'leaseOwner = :owner',
      'heartbeat = if_not_exists(heartbeat, :number)',
      'isLeaving = :scalar',
      'requests.#k = :scalar',
      'heartbeatSum = heartbeat + :number',
      'heartbeatDifference = :number - heartbeat',
      'copied = anything',
    ]),
    remove: fc.subarray(['anything', 'requests.l', 'absent']),
  })
  .map(({ set, remove }) => [
    ...(set.length > 0 ? [`SET ${set.join(', ')}`] : []),
    ...(remove.length > 0 ? [`REMOVE ${remove.join(', ')}`] : []),
  ])
  .filter((sections) => sections.length > 0)
  .map((sections) => sections.join(' '));

/** With the names and values that the expressions use. */
const expressed = (expressions: Readonly<Record<string, fc.Arbitrary<string>>>): fc.Arbitrary<object> =>
  fc
    .tuple(fc.record(expressions), owner, number, scalar)
    .map(([texts, ownerValue, numberValue, scalarValue]) => {
      const text = Object.values(texts).join(' ');
      const values = { ':owner': ownerValue, ':number': numberValue, ':scalar': scalarValue };
      const used = Object.entries(values).filter(([name]) => text.includes(name));
      return {
        ...texts,
        ...(text.includes('#k') ? { ExpressionAttributeNames: { '#k': 'k' } } : {}),
        ...(used.length > 0 ? { ExpressionAttributeValues: Object.fromEntries(used) } : {}),
      };
    });
const conditional = fc.oneof(fc.constant({}), expressed({ ConditionExpression: condition }));
const updating = fc.oneof(
  expressed({ UpdateExpression: update }),
  expressed({ UpdateExpression: update, ConditionExpression: condition }),
);

const request: fc.Arbitrary<Request> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(item, conditional)
      .map(([Item, rest]): Request => ['PutItem', { Item, ...rest, ReturnValues: 'ALL_OLD' }]),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(leaseKey, updating, fc.constantFrom('ALL_NEW', 'ALL_OLD', 'NONE'))
      .map(([Key, rest, ReturnValues]): Request => ['UpdateItem', { Key, ...rest, ReturnValues }]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(leaseKey, conditional)
      .map(([Key, rest]): Request => ['DeleteItem', { Key, ...rest, ReturnValues: 'ALL_OLD' }]),
  },
  { weight: 1, arbitrary: leaseKey.map((Key): Request => ['GetItem', { Key, ConsistentRead: true }]) },
  {
    weight: 1,
    arbitrary: fc.subarray(keys, { minLength: 1 }).map((wanted): Request => {
      const Keys = wanted.map((S) => ({ leaseKey: { S } }));
      return ['BatchGetItem', { Keys, ConsistentRead: true }];
    }),
  },
  { weight: 3, arbitrary: owner.map((value) => query(value)) },
);

function query(value: AttributeValue, input: object = {}): Request {
  return [
    'Query',
    {
      IndexName: 'leaseOwner',
      KeyConditionExpression: 'leaseOwner = :owner',
      ExpressionAttributeValues: { ':owner': value },
      ...input,
    },
  ];
}

test('any sequence of requests is answered as by the emulator', async () => {
  const sequence = fc.array(request, { maxLength: 40, size: 'max' });
  const answered = new Set<string>();
  await fc.assert(
    fc.asyncProperty(sequence, async (requests) => {
      for (const answer of await expectSame(requests)) {
        answered.add((answer as { error?: string } | undefined)?.error ?? 'output');
      }
    }),
    { numRuns: 15 },
  );
  expect([...answered].sort()).toEqual(['ConditionalCheckFailedException', 'ValidationException', 'output']);
});

test('requests that the service refuses are refused, by the same name', async () => {
  const a = { leaseKey: { S: 'a' } };
  const updateOf = (UpdateExpression: string, value: AttributeValue, more: object = {}): Request => [
    'UpdateItem',
    { Key: a, UpdateExpression, ExpressionAttributeValues: { ':v': value }, ...more },
  ];
  const invalid: Request[] = [
    ['PutItem', { Item: { leaseOwner: { S: 'one' } } }],
    ['PutItem', { Item: { leaseKey: { S: '' } } }],
    ['PutItem', { Item: { leaseKey: { N: '1' } } }],
    ['PutItem', { Item: { ...a, leaseOwner: { N: '1' } } }],
    ['PutItem', { Item: { ...a, heartbeat: { N: 'x' } } }],
    ['PutItem', { Item: { ...a, names: { SS: ['x', 'x'] } } }],
    ['GetItem', { Key: { leaseOwner: { S: 'one' } } }],
    ['GetItem', { Key: { ...a, leaseOwner: { S: 'one' } } }],
    updateOf('SET leaseKey = :v', { S: 'b' }),
    updateOf('SET leaseOwner = :v', { N: '1' }),
    updateOf('SET heartbeat = :w', { N: '1' }),
    updateOf('SET heartbeat = :v', { N: '1' }, { ExpressionAttributeNames: { '#unused': 'x' } }),
    updateOf('SET heartbeat = absent + :v', { N: '1' }),
    updateOf('SET heartbeat = leaseOwner + :v', { N: '1' }),
    updateOf('SET heartbeat = :v, heartbeat = :v', { N: '1' }),
    updateOf('SET requests = :v REMOVE requests.k', { N: '1' }),
    updateOf('SET #n = :v', { N: '1' }),
    ['BatchGetItem', { Keys: [a, a] }],
    ['BatchGetItem', { Keys: [] }],
    query({ S: 'one' }, { IndexName: 'absent' }),
    query({ S: 'one' }, { ConsistentRead: true }),
    query({ S: 'one' }, { KeyConditionExpression: 'heartbeat = :owner' }),
    query({ N: '1' }),
  ];
  const first: Request = ['PutItem', { Item: { ...a, leaseOwner: { S: 'one' } } }];
  const answers = await expectSame([first, ...invalid]);
  const refused = answers.slice(1, -1).map((answer, index) => ({ request: invalid[index], answer }));
  const error = { error: 'ValidationException', httpStatusCode: 400 };
  expect(refused).toEqual(invalid.map((request) => ({ request, answer: error })));
});

test('without the table, or when it is there already', async () => {
  const simulated = model();
  const a = { leaseKey: { S: 'a' } };
  for (const request of [
    ['DescribeTable', {}],
    ['GetItem', { Key: a }],
    ['PutItem', { Item: a }],
    query({ S: 'one' }),
  ] satisfies Request[]) {
    const expected = { error: 'ResourceNotFoundException', httpStatusCode: 400 };
    expect(await answerOf(simulated, request, 'none')).toEqual(expected);
    expect(await answerOf(emulator, request, 'none')).toEqual(expected);
  }
  for (const send of [simulated, emulator]) {
    expect(await answerOf(send, TABLE, 'twice')).toMatchObject({
      TableDescription: { TableStatus: 'CREATING' },
    });
    expect(await answerOf(send, TABLE, 'twice')).toMatchObject({ error: 'ResourceInUseException' });
    while ((await tableStatus(send, 'twice')) !== 'ACTIVE');
    expect(await answerOf(send, ['DescribeTable', {}], 'twice')).toMatchObject({
      Table: {
        TableName: 'twice',
        KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
        GlobalSecondaryIndexes: [
          {
            IndexName: 'leaseOwner',
            IndexStatus: 'ACTIVE',
            KeySchema: [{ AttributeName: 'leaseOwner', KeyType: 'HASH' }],
            Projection: {
              ProjectionType: 'INCLUDE',
              NonKeyAttributes: ['heartbeat', 'isLeaving', 'requests'],
            },
          },
        ],
      },
    });
  }
});

test('pages end after their limit, or 1 MB, and the next one goes on after them', async () => {
  const tableName = 'pages';
  const simulated = model();
  const sizes: number[][] = [];
  for (const send of [simulated, emulator]) {
    await answerOf(send, TABLE, tableName);
    while ((await tableStatus(send, tableName)) !== 'ACTIVE');
    const text = { S: 'x'.repeat(200_000) };
    for (let index = 0; index < 12; index += 1) {
      const Item = { leaseKey: { S: `key-${index}` }, leaseOwner: { S: 'one' }, text };
      await answerOf(send, ['PutItem', { Item }], tableName);
    }
    for (const request of [
      ['Scan', {}],
      ['Scan', { Limit: 4 }],
      query({ S: 'one' }),
      query({ S: 'one' }, { Limit: 5 }),
    ] satisfies Request[]) {
      const pages: string[][] = [];
      let ExclusiveStartKey: Item | undefined;
      do {
        const start = ExclusiveStartKey === undefined ? {} : { ExclusiveStartKey };
        const [operation, input] = request;
        const answer = await answerOf(send, [operation, { ...input, ...start }], tableName);
        const { Items, LastEvaluatedKey } = answer as { Items: Item[]; LastEvaluatedKey?: Item };
        pages.push(Items.map(({ leaseKey }) => leaseKey?.S ?? ''));
        ExclusiveStartKey = LastEvaluatedKey;
      } while (ExclusiveStartKey !== undefined);
      expect(pages.flat().sort()).toEqual(Array.from({ length: 12 }, (_, index) => `key-${index}`).sort());
      sizes.push(pages.map((page) => page.length));
    }
  }
  const expected = [[6, 6, 0], [4, 4, 4, 0], [12], [5, 5, 2]];
  expect(sizes).toEqual([...expected, ...expected]);
});

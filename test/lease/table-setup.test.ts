import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
} from '@aws-sdk/client-dynamodb';
import { startLeaseTable } from '../support/lease-table.ts';

let local: Awaited<ReturnType<typeof startLeaseTable>>;

beforeEach(async () => {
  local = await startLeaseTable();
});

afterEach(() => local.close());

async function createTable(tableName: string, keyName: string, index?: string): Promise<void> {
  const names = [keyName, ...(index === undefined ? [] : ['leaseOwner'])];
  const input: CreateTableCommandInput = {
    TableName: tableName,
    AttributeDefinitions: names.map((name) => ({ AttributeName: name, AttributeType: 'S' })),
    KeySchema: [{ AttributeName: keyName, KeyType: 'HASH' }],
    BillingMode: 'PAY_PER_REQUEST',
  };
  if (index !== undefined) {
    input.GlobalSecondaryIndexes = [
      {
        IndexName: index,
        KeySchema: [{ AttributeName: 'leaseOwner', KeyType: 'HASH' }],
        Projection: { ProjectionType: 'KEYS_ONLY' },
      },
    ];
  }
  await local.dynamoDb.send(new CreateTableCommand(input));
}

test('a table that is missing is created, also by two at once', async () => {
  await Promise.all([local.setUp({ tableName: 'new' }), local.setUp({ tableName: 'new' })]);
  const { Table } = await local.dynamoDb.send(new DescribeTableCommand({ TableName: 'new' }));
  expect(Table).toMatchObject({
    TableStatus: 'ACTIVE',
    KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
    GlobalSecondaryIndexes: [{ IndexName: 'leaseOwner', IndexStatus: 'ACTIVE' }],
  });
});

test('a table that is missing and not to be created is named', async () => {
  await expect(local.setUp({ tableName: 'missing', create: false })).rejects.toMatchObject({
    name: 'UsageError',
    message: 'DynamoDB table "missing" does not exist; create it, or set "createLeaseTable" to true',
  });
});

test('a table whose key is no text is refused by name', async () => {
  await local.dynamoDb.send(
    new CreateTableCommand({
      TableName: 'numbers',
      AttributeDefinitions: [{ AttributeName: 'leaseKey', AttributeType: 'N' }],
      KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  );
  await expect(local.setUp({ tableName: 'numbers' })).rejects.toMatchObject({
    name: 'UsageError',
    message: 'DynamoDB table "numbers" has the key leaseKey HASH of type N; a lease table has leaseKey HASH',
  });
});

test('a table with another key is refused by name', async () => {
  await createTable('other', 'id');
  await expect(local.setUp({ tableName: 'other' })).rejects.toMatchObject({
    name: 'UsageError',
    message: 'DynamoDB table "other" has the key id HASH; a lease table has leaseKey HASH',
  });
});

test.each([
  ['no index', undefined, 'no such index'],
  ['an index without the attributes', 'leaseOwner', 'the key leaseOwner HASH and carries keys only'],
])('a table with %s is refused with what it needs', async (_name, index, found) => {
  await createTable('plain', 'leaseKey', index);
  const problem = local.setUp({ tableName: 'plain' });
  await expect(problem).rejects.toMatchObject({ name: 'UsageError' });
  await expect(problem).rejects.toThrow(/"leaseOwner" with the key leaseOwner HASH.*heartbeat/);
  await expect(problem).rejects.toThrow(found);
});

test('one table serves one application', async () => {
  await local.setUp();
  await expect(local.setUp({ applicationName: 'shop' })).rejects.toMatchObject({
    name: 'UsageError',
    message:
      'DynamoDB table "leases" is the lease table of the application "test"; "shop" needs one of its own: set "leaseTable"',
  });
});

test('a table that is in use is looked at, and not written to', async () => {
  const operations: string[] = [];
  const send = (command: { constructor: { name: string } }, ...rest: unknown[]) => {
    operations.push(command.constructor.name);
    return (local.dynamoDb.send as (...args: unknown[]) => Promise<unknown>).call(
      local.dynamoDb,
      command,
      ...rest,
    );
  };
  await local.setUp({ dynamoDb: { send } as unknown as typeof local.dynamoDb });
  expect(operations).toEqual(['DescribeTableCommand', 'GetItemCommand']);
});

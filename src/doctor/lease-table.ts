import {
  BatchGetItemCommand,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { errorMessage, errorName, UsageError } from '../core/errors.ts';
import { SYNC_LEASE_KEY, WORKERS } from '../lease/keys.ts';
import { OWNER_INDEX } from '../lease/table-client.ts';
import { checkApplication, checkKeys, describeTable, isUsable } from '../lease/table-setup.ts';
import { type Check, failed, ok, type Verdict, warning } from './check.ts';

export interface LeaseTableNeeds {
  readonly tableName: string;
  readonly createLeaseTable: boolean;
  /** Null if it is not known yet. */
  readonly applicationName: string | null;
}

type DynamoDb = Pick<DynamoDBClient, 'send'>;

/** No stream can have this name. */
const NO_LEASE = { leaseKey: { S: '$doctor' } };
/** Whether or not there is such an item. */
const NEVER = 'attribute_exists(leaseKey) AND attribute_not_exists(leaseKey)';

/** The table is described, and each call made that the leases need; of the writes each is refused by its condition. */
export function leaseTableCheck(needs: LeaseTableNeeds, { dynamoDb }: { dynamoDb: DynamoDb }): Check {
  const { tableName, createLeaseTable } = needs;
  const uses = [
    applicationCheck(needs, dynamoDb),
    ...reads(tableName, dynamoDb),
    ...writes(tableName, dynamoDb),
  ];
  return {
    name: 'DescribeTable',
    target: tableName,
    whenDenied: uses,
    async run(signal) {
      const table = await describeTable({ dynamoDb, tableName }, signal);
      if (table === null) {
        return createLeaseTable
          ? warning(
              'there is no such table: the worker creates it at its start',
              'it needs dynamodb:CreateTable for that',
            )
          : failed(
              'there is no such table',
              'create it, correct leaseTable, or set createLeaseTable to true',
            );
      }
      try {
        checkKeys(table, tableName);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        return failed(error.message, 'set leaseTable to another name');
      }
      if (!isUsable(table)) return warning(`it is ${table.TableStatus}: wait until it is ACTIVE`);
      return { ...ok(`${table.TableStatus}, key leaseKey, index ${OWNER_INDEX}`), next: uses };
    },
  };
}

/** Whose table it is, stands in the lease for synchronization. */
function applicationCheck({ tableName, applicationName }: LeaseTableNeeds, dynamoDb: DynamoDb): Check {
  return {
    name: 'GetItem',
    target: tableName,
    async run(abortSignal): Promise<Verdict> {
      const command = new GetItemCommand({
        TableName: tableName,
        Key: { leaseKey: { S: SYNC_LEASE_KEY } },
        ConsistentRead: true,
      });
      const { Item } = await dynamoDb.send(command, { abortSignal });
      if (Item === undefined) return ok('no application uses the table yet');
      if (applicationName === null) return ok(`used by ${Item['applicationName']?.S ?? '(unknown)'}`);
      try {
        checkApplication(Item, applicationName, tableName);
        return ok(`used by ${applicationName}`);
      } catch (error) {
        return failed(errorMessage(error), null);
      }
    },
  };
}

function reads(TableName: string, dynamoDb: DynamoDb): Check[] {
  const read = (
    name: string,
    target: string,
    send: (abortSignal: AbortSignal) => Promise<unknown>,
  ): Check => ({
    name,
    target,
    run: async (abortSignal) => {
      await send(abortSignal);
      return ok('permitted');
    },
  });
  const keys = { [TableName]: { Keys: [NO_LEASE], ConsistentRead: true } };
  const workers = {
    TableName,
    IndexName: OWNER_INDEX,
    KeyConditionExpression: 'leaseOwner = :owner',
    ExpressionAttributeValues: { ':owner': { S: WORKERS } },
    Limit: 1,
  };
  return [
    read('BatchGetItem', TableName, (abortSignal) =>
      dynamoDb.send(new BatchGetItemCommand({ RequestItems: keys }), { abortSignal }),
    ),
    read('Query', `${TableName}/index/${OWNER_INDEX}`, (abortSignal) =>
      dynamoDb.send(new QueryCommand(workers), { abortSignal }),
    ),
    read('Scan', TableName, (abortSignal) =>
      dynamoDb.send(new ScanCommand({ TableName, Limit: 1 }), { abortSignal }),
    ),
  ];
}

function writes(TableName: string, dynamoDb: DynamoDb): Check[] {
  const write = (name: string, send: (abortSignal: AbortSignal) => Promise<unknown>): Check => ({
    name,
    target: TableName,
    run: async (abortSignal) => {
      try {
        await send(abortSignal);
      } catch (error) {
        if (errorName(error) === 'ConditionalCheckFailedException')
          return ok('permitted; nothing was written');
        throw error;
      }
      return failed('it was written, although its condition cannot be met', null);
    },
  });
  const refused = { TableName, ConditionExpression: NEVER };
  const update = {
    UpdateExpression: 'SET leaseOwner = :owner',
    ExpressionAttributeValues: { ':owner': { S: 'doctor' } },
  };
  return [
    write('PutItem', (abortSignal) =>
      dynamoDb.send(new PutItemCommand({ ...refused, Item: NO_LEASE }), { abortSignal }),
    ),
    write('UpdateItem', (abortSignal) =>
      dynamoDb.send(new UpdateItemCommand({ ...refused, ...update, Key: NO_LEASE }), { abortSignal }),
    ),
    write('DeleteItem', (abortSignal) =>
      dynamoDb.send(new DeleteItemCommand({ ...refused, Key: NO_LEASE }), { abortSignal }),
    ),
  ];
}

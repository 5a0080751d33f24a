import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  type TableDescription,
} from '@aws-sdk/client-dynamodb';
import { withTimeout } from '../core/clock.ts';
import { errorName, errorText, KvsInferenceError, UsageError } from '../core/errors.ts';
import { isTransientAwsError, retry } from '../core/retry.ts';
import { SYNC_LEASE_KEY } from './keys.ts';
import { type LeaseItem, newLeaseItem } from './lease.ts';
import { OWNER_INDEX, TableClient, type TableClientOptions } from './table-client.ts';
import { WORKER_ATTRIBUTES } from './worker-item.ts';

export interface TableSetupOptions extends TableClientOptions {
  /** Create the table if it is missing. */
  create: boolean;
  /** One table serves one application. */
  applicationName: string;
  /** Is told why it takes long. */
  onTrouble: (problem: string) => void;
}

const TABLE_POLL_MILLIS = 200;
const RETRIES = { attempts: 8, baseDelayMillis: 500, maxDelayMillis: 5000 };
/** Where a person waits for the answer. */
const FEW_RETRIES = { ...RETRIES, attempts: 3 };

/**
 * Sees to it that the lease table is there, is one, and is this application's.
 *
 * @throws {UsageError} if it is missing and not to be created, has other keys, or serves another application
 * @throws {KvsInferenceError} LEASE_TABLE if it cannot be asked
 */
export async function setUpTable(options: TableSetupOptions, signal: AbortSignal): Promise<TableClient> {
  const { clock, tableName, create, onTrouble } = options;
  let status: string | undefined;
  while (true) {
    const table = await persistently(options, 'described', signal, (limited) =>
      describeTable(options, limited),
    );
    if (table === null && !create) {
      throw new UsageError(
        `DynamoDB table "${tableName}" does not exist; create it, or set "createLeaseTable" to true`,
      );
    }
    if (table === null)
      await persistently(options, 'created', signal, (limited) => createTable(options, limited));
    if (table !== null && isUsable(table)) {
      checkKeys(table, tableName);
      break;
    }
    if (table !== null && table.TableStatus !== status) {
      onTrouble(`DynamoDB table "${tableName}" cannot be used yet: it is ${table.TableStatus}`);
    }
    status = table?.TableStatus;
    await clock.sleep(TABLE_POLL_MILLIS, signal);
  }
  const client = new TableClient(options);
  await persistently(options, 'used', signal, (limited) => claim(client, options, limited));
  return client;
}

/**
 * Sees whether the lease table is there, is one, and is this application's, and changes nothing.
 *
 * @param options.applicationName null = whosever it is
 * @throws {UsageError} if it is missing, has other keys, or serves another application
 * @throws {KvsInferenceError} LEASE_TABLE if it cannot be asked, or cannot be used yet
 */
export async function openTable(
  options: TableClientOptions & { applicationName: string | null },
  signal: AbortSignal,
): Promise<TableClient> {
  const { tableName, applicationName } = options;
  const table = await persistently(
    options,
    'described',
    signal,
    (limited) => describeTable(options, limited),
    FEW_RETRIES,
  );
  if (table === null) throw new UsageError(`DynamoDB table "${tableName}" does not exist`);
  checkKeys(table, tableName);
  if (!isUsable(table)) {
    const problem = `DynamoDB table "${tableName}" is not ready yet: it is ${table.TableStatus}`;
    throw new KvsInferenceError('LEASE_TABLE', problem);
  }
  const client = new TableClient(options);
  if (applicationName === null) return client;
  const check = async (limited: AbortSignal) => {
    const item = await client.get(SYNC_LEASE_KEY, limited);
    if (item !== null) checkApplication(item, applicationName, tableName);
  };
  await persistently(options, 'read', signal, check, FEW_RETRIES);
  return client;
}

/** Null if there is no such table. */
export async function describeTable(
  { dynamoDb, tableName }: Pick<TableClientOptions, 'dynamoDb' | 'tableName'>,
  abortSignal: AbortSignal,
): Promise<TableDescription | null> {
  try {
    const command = new DescribeTableCommand({ TableName: tableName });
    return (await dynamoDb.send(command, { abortSignal })).Table ?? null;
  } catch (error) {
    if (errorName(error) === 'ResourceNotFoundException') return null;
    throw error;
  }
}

/** What a lease table is made of. */
export const LEASE_TABLE_SCHEMA = {
  AttributeDefinitions: [
    { AttributeName: 'leaseKey', AttributeType: 'S' },
    { AttributeName: 'leaseOwner', AttributeType: 'S' },
  ],
  KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
  GlobalSecondaryIndexes: [
    {
      IndexName: OWNER_INDEX,
      KeySchema: [{ AttributeName: 'leaseOwner', KeyType: 'HASH' }],
      Projection: { ProjectionType: 'INCLUDE', NonKeyAttributes: WORKER_ATTRIBUTES },
    },
  ],
} satisfies Partial<CreateTableCommandInput>;

async function createTable(
  { dynamoDb, tableName }: TableSetupOptions,
  abortSignal: AbortSignal,
): Promise<void> {
  const command = new CreateTableCommand({
    TableName: tableName,
    BillingMode: 'PAY_PER_REQUEST',
    ...LEASE_TABLE_SCHEMA,
  });
  try {
    await dynamoDb.send(command, { abortSignal });
  } catch (error) {
    // Another worker was faster.
    if (errorName(error) !== 'ResourceInUseException') throw error;
  }
}

/** With its indexes. */
export function isUsable({ TableStatus, GlobalSecondaryIndexes = [] }: TableDescription): boolean {
  const isReadable = TableStatus === 'ACTIVE' || TableStatus === 'UPDATING';
  return isReadable && GlobalSecondaryIndexes.every(({ IndexStatus }) => IndexStatus !== 'CREATING');
}

/** @throws {UsageError} if it is no lease table */
export function checkKeys(table: TableDescription, tableName: string): void {
  const keys = describeKeys(table.KeySchema, table);
  if (keys !== 'leaseKey HASH') {
    throw new UsageError(
      `DynamoDB table "${tableName}" has the key ${keys}; a lease table has leaseKey HASH`,
    );
  }
  const index = table.GlobalSecondaryIndexes?.find(({ IndexName }) => IndexName === OWNER_INDEX);
  const indexKeys = describeKeys(index?.KeySchema, table);
  const { ProjectionType, NonKeyAttributes = [] } = index?.Projection ?? {};
  const isComplete =
    ProjectionType === 'ALL' || WORKER_ATTRIBUTES.every((attribute) => NonKeyAttributes.includes(attribute));
  if (indexKeys === 'leaseOwner HASH' && isComplete) return;
  const found =
    index === undefined
      ? 'no such index'
      : `the key ${indexKeys} and carries ${NonKeyAttributes.join(', ') || 'keys only'}`;
  throw new UsageError(
    `DynamoDB table "${tableName}" needs the global secondary index "${OWNER_INDEX}" with the key leaseOwner HASH and the attributes ${WORKER_ATTRIBUTES.join(', ')}; it has ${found}`,
  );
}

/** `leaseKey HASH`, or `leaseKey HASH of type N` for what is no text. */
function describeKeys(
  schema: TableDescription['KeySchema'],
  { AttributeDefinitions = [] }: TableDescription,
): string {
  const keys = (schema ?? []).map(({ AttributeName, KeyType }) => {
    const type = AttributeDefinitions.find((definition) => definition.AttributeName === AttributeName);
    return `${AttributeName} ${KeyType}${type?.AttributeType === 'S' ? '' : ` of type ${type?.AttributeType}`}`;
  });
  return keys.join(', ') || '(none)';
}

/**
 * The lease for synchronization is created once, and tells whose table this is. It is looked for first: nearly always
 * it is there, and a write that is refused would take a round trip of its own.
 */
async function claim(
  client: TableClient,
  { applicationName, tableName }: TableSetupOptions,
  signal: AbortSignal,
): Promise<void> {
  const found = await client.get(SYNC_LEASE_KEY, signal);
  if (found !== null) return checkApplication(found, applicationName, tableName);
  const item = {
    ...newLeaseItem(SYNC_LEASE_KEY, null, { type: 'EARLIEST' }),
    applicationName: { S: applicationName },
  };
  if (await client.create(item, signal)) return;
  // Another worker was faster.
  checkApplication((await client.get(SYNC_LEASE_KEY, signal)) ?? {}, applicationName, tableName);
}

/**
 * @param item that of the lease for synchronization
 * @throws {UsageError} if it is another application's
 */
export function checkApplication(item: LeaseItem, applicationName: string, tableName: string): void {
  const owner = item['applicationName']?.S ?? '(unknown)';
  if (owner === applicationName) return;
  throw new UsageError(
    `DynamoDB table "${tableName}" is the lease table of the application "${owner}"; "${applicationName}" needs one of its own: set "leaseTable"`,
  );
}

/** At start: one throttled call must not end the worker. */
async function persistently<T>(
  options: TableClientOptions & Partial<Pick<TableSetupOptions, 'onTrouble'>>,
  what: string,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
  retries = RETRIES,
): Promise<T> {
  const { clock, tableName, requestTimeoutMillis, onTrouble } = options;
  const problem = (error: unknown) => `DynamoDB table "${tableName}" cannot be ${what}: ${errorText(error)}`;
  try {
    return await retry(() => withTimeout(clock, requestTimeoutMillis, signal, call), {
      clock,
      signal,
      ...retries,
      isRetryable: (error) => !(error instanceof UsageError) && isTransientAwsError(error),
      onRetry: (error) => onTrouble?.(`${problem(error)}; trying again`),
    });
  } catch (error) {
    if (signal.aborted || error instanceof UsageError) throw error;
    throw new KvsInferenceError('LEASE_TABLE', problem(error), { cause: error });
  }
}

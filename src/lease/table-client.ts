import {
  BatchGetItemCommand,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from '@aws-sdk/client-dynamodb';
import { type Clock, withTimeout } from '../core/clock.ts';
import { errorName } from '../core/errors.ts';
import { isTransientAwsError, retry } from '../core/retry.ts';
import type { LeaseItem } from './lease.ts';

/** Finds items by `leaseOwner`: see table-setup. Eventually consistent, as every such index is. */
export const OWNER_INDEX = 'leaseOwner';

/** BatchGetItem's limit. */
const MAX_BATCH_KEYS = 100;

export interface TableClientOptions {
  /** Should not retry by itself: whoever asks decides what is worth it. */
  dynamoDb: Pick<DynamoDBClient, 'send'>;
  tableName: string;
  /** Of one request, milliseconds. */
  requestTimeoutMillis: number;
  clock: Clock;
}

const READ_RETRIES = { attempts: 3, baseDelayMillis: 50, maxDelayMillis: 400 };

type Paged = { Items?: LeaseItem[] | undefined; LastEvaluatedKey?: LeaseItem | undefined };

/**
 * The requests of the lease table, each bounded in time
 * (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB.html).
 *
 * @throws the service's errors, or TIMEOUT
 */
export class TableClient {
  readonly #options: TableClientOptions;
  readonly #tableName: string;

  constructor(options: TableClientOptions) {
    this.#options = options;
    this.#tableName = options.tableName;
  }

  async get(leaseKey: string, signal: AbortSignal): Promise<LeaseItem | null> {
    const command = new GetItemCommand({
      TableName: this.#tableName,
      Key: key(leaseKey),
      ConsistentRead: true,
    });
    const { Item } = await this.#read(signal, (abortSignal) =>
      this.#options.dynamoDb.send(command, { abortSignal }),
    );
    return Item ?? null;
  }

  /** Those of the items that exist, as they are now. */
  async getAll(leaseKeys: readonly string[], signal: AbortSignal): Promise<LeaseItem[]> {
    const items: LeaseItem[] = [];
    const wanted = [...leaseKeys];
    while (wanted.length > 0) {
      const Keys = wanted.splice(0, MAX_BATCH_KEYS).map(key);
      const command = new BatchGetItemCommand({
        RequestItems: { [this.#tableName]: { Keys, ConsistentRead: true } },
      });
      const { Responses, UnprocessedKeys } = await this.#read(signal, (abortSignal) =>
        this.#options.dynamoDb.send(command, { abortSignal }),
      );
      items.push(...(Responses?.[this.#tableName] ?? []));
      const unprocessed = UnprocessedKeys?.[this.#tableName]?.Keys ?? [];
      if (unprocessed.length === Keys.length)
        await this.#options.clock.sleep(UNPROCESSED_PAUSE_MILLIS, signal);
      wanted.push(...unprocessed.map(({ leaseKey }) => leaseKey?.S ?? ''));
    }
    return items;
  }

  /** The items of an owner, with the attributes that the index has. */
  async query(leaseOwner: string, signal: AbortSignal): Promise<LeaseItem[]> {
    const input = {
      TableName: this.#tableName,
      IndexName: OWNER_INDEX,
      KeyConditionExpression: 'leaseOwner = :owner',
      ExpressionAttributeValues: { ':owner': { S: leaseOwner } },
    };
    return await this.#pages(signal, (page, abortSignal) =>
      this.#options.dynamoDb.send(new QueryCommand({ ...input, ...page }), { abortSignal }),
    );
  }

  /** Everything. */
  async scan(signal: AbortSignal): Promise<LeaseItem[]> {
    const input = { TableName: this.#tableName, ConsistentRead: true };
    return await this.#pages(signal, (page, abortSignal) =>
      this.#options.dynamoDb.send(new ScanCommand({ ...input, ...page }), { abortSignal }),
    );
  }

  /** @returns false if there is an item of that key */
  async create(Item: LeaseItem, signal: AbortSignal): Promise<boolean> {
    const command = new PutItemCommand({
      TableName: this.#tableName,
      Item,
      ConditionExpression: 'attribute_not_exists(leaseKey)',
    });
    return await isConditionMet(
      this.#limited(signal, (abortSignal) => this.#options.dynamoDb.send(command, { abortSignal })),
    );
  }

  /** @returns whether the condition was met */
  async update(
    leaseKey: string,
    input: Pick<
      UpdateItemCommandInput,
      'UpdateExpression' | 'ConditionExpression' | 'ExpressionAttributeValues'
    >,
    signal: AbortSignal,
  ): Promise<boolean> {
    const command = new UpdateItemCommand({ ...input, TableName: this.#tableName, Key: key(leaseKey) });
    return await isConditionMet(
      this.#limited(signal, (abortSignal) => this.#options.dynamoDb.send(command, { abortSignal })),
    );
  }

  /** @returns whether the condition was met */
  async delete(
    leaseKey: string,
    condition: { ConditionExpression?: string; ExpressionAttributeValues?: LeaseItem },
    signal: AbortSignal,
  ): Promise<boolean> {
    const command = new DeleteItemCommand({
      ...condition,
      TableName: this.#tableName,
      Key: key(leaseKey),
    });
    return await isConditionMet(
      this.#limited(signal, (abortSignal) => this.#options.dynamoDb.send(command, { abortSignal })),
    );
  }

  async #pages(
    signal: AbortSignal,
    send: (page: { ExclusiveStartKey?: LeaseItem }, signal: AbortSignal) => Promise<Paged>,
  ): Promise<LeaseItem[]> {
    const items: LeaseItem[] = [];
    let page: { ExclusiveStartKey?: LeaseItem } | null = {};
    while (page !== null) {
      const from: { ExclusiveStartKey?: LeaseItem } = page;
      const { Items = [], LastEvaluatedKey }: Paged = await this.#read(signal, (limited) =>
        send(from, limited),
      );
      items.push(...Items);
      page = LastEvaluatedKey === undefined ? null : { ExclusiveStartKey: LastEvaluatedKey };
    }
    return items;
  }

  /** A read that is refused is tried again soon: one throttled page must not cost a whole round. */
  async #read<T>(signal: AbortSignal, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return await retry(() => this.#limited(signal, send), {
      clock: this.#options.clock,
      signal,
      ...READ_RETRIES,
      isRetryable: (error) => isTransientAwsError(error) && errorName(error) !== 'TIMEOUT',
    });
  }

  async #limited<T>(signal: AbortSignal, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, requestTimeoutMillis } = this.#options;
    return await withTimeout(clock, requestTimeoutMillis, signal, send);
  }
}

/** Where a table gives nothing of what is asked, it is throttled. */
const UNPROCESSED_PAUSE_MILLIS = 100;

function key(leaseKey: string): LeaseItem {
  return { leaseKey: { S: leaseKey } };
}

async function isConditionMet(request: Promise<unknown>): Promise<boolean> {
  try {
    await request;
    return true;
  } catch (error) {
    if (errorName(error) === 'ConditionalCheckFailedException') return false;
    throw error;
  }
}

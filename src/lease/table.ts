import {
  CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  PutItemCommand,
  paginateScan,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from '@aws-sdk/client-dynamodb';
import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName, KvsInferenceError, UsageError } from '../core/errors.ts';
import { isTransientAwsError, retry } from '../core/retry.ts';
import type { Checkpoint } from './checkpoint.ts';
import { type Lease, newLeaseItem, parseLease, type StartPosition } from './lease.ts';

/** The lease is no longer ours: another worker took it, or it was deleted. */
export class LeaseLostError extends KvsInferenceError {
  override readonly name = 'LeaseLostError';

  constructor(leaseKey: string) {
    super('LEASE_LOST', `lease "${leaseKey}" is owned by another worker`, { details: { leaseKey } });
  }
}

const TABLE_POLL_MILLIS = 500;

/**
 * The leases in DynamoDB. Every write is conditional on what the writer believes, so that a worker that lost its
 * lease can change nothing; the table alone decides who owns what. No clock is compared.
 */
export class LeaseTable {
  readonly #dynamoDb: DynamoDBClient;
  readonly #tableName: string;
  readonly #clock: Clock;

  constructor(options: { dynamoDb: DynamoDBClient; tableName: string; clock: Clock }) {
    this.#dynamoDb = options.dynamoDb;
    this.#tableName = options.tableName;
    this.#clock = options.clock;
  }

  /**
   * Creates the table if it is missing and waits until it can be used.
   *
   * @throws {UsageError} if a table of that name has another key
   */
  async ensureTable(signal: AbortSignal): Promise<void> {
    while (true) {
      const table = await this.#persistently(() => this.#describe(signal), signal);
      if (table === null) await this.#persistently(() => this.#create(signal), signal);
      if (table?.TableStatus === 'ACTIVE') {
        const keys = (table.KeySchema ?? []).map((key) => `${key.AttributeName} ${key.KeyType}`);
        if (keys.join() === 'leaseKey HASH') return;
        throw new UsageError(
          `DynamoDB table "${this.#tableName}" has the key ${keys.join(', ')}; a lease table has leaseKey HASH`,
        );
      }
      await this.#clock.sleep(TABLE_POLL_MILLIS, signal);
    }
  }

  /** Every lease. An item that cannot be read is handed to `onInvalid` and left out. */
  async list(onInvalid: (error: unknown) => void, signal: AbortSignal): Promise<Lease[]> {
    const leases: Lease[] = [];
    const input = { TableName: this.#tableName, ConsistentRead: true };
    for await (const page of paginateScan({ client: this.#dynamoDb }, input, { abortSignal: signal })) {
      for (const item of page.Items ?? []) {
        try {
          leases.push(parseLease(item));
        } catch (error) {
          onInvalid(error);
        }
      }
    }
    return leases;
  }

  /** Adds a free lease; does nothing if there is one of that key. */
  async create(leaseKey: string, start: StartPosition, signal: AbortSignal): Promise<void> {
    const command = new PutItemCommand({
      TableName: this.#tableName,
      Item: newLeaseItem(leaseKey, start),
      ConditionExpression: 'attribute_not_exists(leaseKey)',
    });
    await ignoringConditionFailure(this.#dynamoDb.send(command, { abortSignal: signal }));
  }

  /** Takes a lease that nobody has renewed since `seen` was read. @throws {LeaseLostError} if somebody has */
  async take(seen: Lease, owner: string, signal: AbortSignal): Promise<Lease> {
    const taken: Lease = {
      ...seen,
      leaseOwner: owner,
      leaseCounter: seen.leaseCounter + 1,
      leaseEpoch: seen.leaseEpoch + 1,
      ownerSwitchesSinceCheckpoint: seen.ownerSwitchesSinceCheckpoint + (seen.leaseOwner === null ? 0 : 1),
    };
    await this.#update(seen.leaseKey, signal, {
      UpdateExpression:
        'SET leaseOwner = :owner, leaseCounter = :counter, leaseEpoch = :epoch, ownerSwitchesSinceCheckpoint = :switches',
      ConditionExpression: 'leaseCounter = :seenCounter AND leaseEpoch = :seenEpoch',
      ExpressionAttributeValues: {
        ':owner': { S: owner },
        ':counter': { N: String(taken.leaseCounter) },
        ':epoch': { N: String(taken.leaseEpoch) },
        ':switches': { N: String(taken.ownerSwitchesSinceCheckpoint) },
        ':seenCounter': { N: String(seen.leaseCounter) },
        ':seenEpoch': { N: String(seen.leaseEpoch) },
      },
    });
    return taken;
  }

  /** Renews our lease and, with a checkpoint, writes it, in one update. @throws {LeaseLostError} */
  async renew(lease: Lease, checkpoint: Checkpoint | null, signal: AbortSignal): Promise<Lease> {
    const renewed: Lease = {
      ...lease,
      leaseCounter: lease.leaseCounter + 1,
      ...(checkpoint === null ? {} : { checkpoint, ownerSwitchesSinceCheckpoint: 0 }),
    };
    const timestamp = checkpoint?.serverTimestampMillis ?? null;
    await this.#update(lease.leaseKey, signal, {
      UpdateExpression: [
        'SET leaseCounter = :counter',
        ...(checkpoint === null
          ? []
          : ['checkpoint = :checkpoint', 'iFrameCounter = :iFrames', 'ownerSwitchesSinceCheckpoint = :zero']),
        ...(timestamp === null ? [] : ['checkpointTimestampMillis = :timestamp']),
      ].join(', '),
      ...RENEWABLE,
      ExpressionAttributeValues: {
        ...ownedValues(lease),
        ':counter': { N: String(renewed.leaseCounter) },
        ...(checkpoint === null
          ? {}
          : {
              ':checkpoint': { S: checkpoint.fragmentNumber },
              ':iFrames': { N: String(checkpoint.iFrameCounter) },
              ':zero': { N: '0' },
            }),
        ...(timestamp === null ? {} : { ':timestamp': { N: String(timestamp) } }),
      },
    });
    return renewed;
  }

  /** Lets our lease go, so that it can be taken at once. @throws {LeaseLostError} */
  async release(lease: Lease, signal: AbortSignal): Promise<void> {
    await this.#update(lease.leaseKey, signal, {
      UpdateExpression: 'REMOVE leaseOwner',
      ...OWNED,
      ExpressionAttributeValues: ownedValues(lease),
    });
  }

  async #update(
    leaseKey: string,
    signal: AbortSignal,
    input: Partial<UpdateItemCommandInput>,
  ): Promise<void> {
    const command = new UpdateItemCommand({
      ...input,
      TableName: this.#tableName,
      Key: { leaseKey: { S: leaseKey } },
    });
    try {
      await this.#dynamoDb.send(command, { abortSignal: signal });
    } catch (error) {
      if (errorName(error) === 'ConditionalCheckFailedException') throw new LeaseLostError(leaseKey);
      throw error;
    }
  }

  async #describe(signal: AbortSignal) {
    try {
      const command = new DescribeTableCommand({ TableName: this.#tableName });
      return (await this.#dynamoDb.send(command, { abortSignal: signal })).Table ?? null;
    } catch (error) {
      if (errorName(error) === 'ResourceNotFoundException') return null;
      throw this.#tableError('described', error);
    }
  }

  /** At start: one throttled call must not end the worker. */
  async #persistently<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return await retry(call, {
      clock: this.#clock,
      signal,
      attempts: 8,
      baseDelayMillis: 500,
      maxDelayMillis: 5000,
      isRetryable: (error) => error instanceof KvsInferenceError && error.retryable,
    });
  }

  #tableError(what: string, cause: unknown): KvsInferenceError {
    const problem = `DynamoDB table "${this.#tableName}" cannot be ${what}: ${errorName(cause)}: ${errorMessage(cause)}`;
    return new KvsInferenceError('LEASE_TABLE', problem, { cause, retryable: isTransientAwsError(cause) });
  }

  async #create(signal: AbortSignal): Promise<void> {
    const command = new CreateTableCommand({
      TableName: this.#tableName,
      AttributeDefinitions: [{ AttributeName: 'leaseKey', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    });
    try {
      await this.#dynamoDb.send(command, { abortSignal: signal });
    } catch (error) {
      // Another worker was faster.
      if (errorName(error) !== 'ResourceInUseException') throw this.#tableError('created', error);
    }
  }
}

/** Fences our own writes too that come too late. */
const RENEWABLE = {
  ConditionExpression: 'leaseOwner = :owner AND leaseEpoch = :epoch AND leaseCounter < :counter',
} as const;
const OWNED = { ConditionExpression: 'leaseOwner = :owner AND leaseEpoch = :epoch' } as const;

function ownedValues(lease: Lease) {
  return { ':owner': { S: lease.leaseOwner ?? '' }, ':epoch': { N: String(lease.leaseEpoch) } };
}

async function ignoringConditionFailure(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (errorName(error) !== 'ConditionalCheckFailedException') throw error;
  }
}

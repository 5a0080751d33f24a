import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  type _Record as KinesisRecord,
  ListShardsCommand,
} from '@aws-sdk/client-kinesis';
import type { KinesisStreamBatchResponse, KinesisStreamEvent } from 'aws-lambda';
import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';

export interface EventSourceOptions {
  kinesis: KinesisClient;
  dataStream: string;
  handler: (event: KinesisStreamEvent) => Promise<KinesisStreamBatchResponse>;
  /** Records handed over, and those given up after the retries. */
  onBatch: (batch: { succeeded: number; discarded: number }) => void;
  clock: Clock;
  log: Logger;
}

const BATCH_SIZE = 100;
const POLL_MILLIS = 250;
const MAX_RETRIES = 2;
const MAX_BACKOFF_MILLIS = 2000;

/**
 * Feeds a Lambda handler from a Kinesis data stream as an event source mapping with ReportBatchItemFailures does
 * (https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html): shard by shard, in order,
 * again from the first record that failed, and past it after the retries.
 */
export class EventSource {
  readonly #options: EventSourceOptions;
  readonly #iterators = new Map<string, string | undefined>();

  constructor(options: EventSourceOptions) {
    this.#options = options;
  }

  /** Polls until `signal` aborts, then once more: what was published before the abort is handed over. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    for (let failures = 0, isLast = false; !isLast; ) {
      isLast = signal.aborted;
      try {
        await this.#poll();
        failures = 0;
      } catch (error) {
        failures += 1;
        log.warn(
          { error: errorName(error) },
          `data stream cannot be read, trying again: ${errorMessage(error)}`,
        );
      }
      const delay = Math.min(MAX_BACKOFF_MILLIS, POLL_MILLIS * 2 ** failures);
      if (!isLast) await clock.sleep(delay, signal).catch(() => undefined);
    }
  }

  /** Reads every shard up to its tip. */
  async #poll(): Promise<void> {
    const { kinesis, dataStream } = this.#options;
    if (this.#iterators.size === 0) {
      const { Shards = [] } = await kinesis.send(new ListShardsCommand({ StreamName: dataStream }));
      for (const { ShardId } of Shards) {
        const command = new GetShardIteratorCommand({
          StreamName: dataStream,
          ShardId,
          ShardIteratorType: 'TRIM_HORIZON',
        });
        this.#iterators.set(ShardId ?? '', (await kinesis.send(command)).ShardIterator);
      }
    }
    for (const [shardId, iterator] of this.#iterators) {
      let next = iterator;
      for (let hasMore = true; hasMore && next !== undefined; ) {
        const answer = await kinesis.send(new GetRecordsCommand({ ShardIterator: next, Limit: BATCH_SIZE }));
        next = answer.NextShardIterator;
        this.#iterators.set(shardId, next);
        const records = answer.Records ?? [];
        if (records.length > 0) await this.#deliver(shardId, records);
        hasMore = records.length > 0;
      }
    }
  }

  async #deliver(shardId: string, records: KinesisRecord[]): Promise<void> {
    const { log, onBatch } = this.#options;
    let remaining = records;
    for (let retries = 0; remaining.length > 0; ) {
      const succeeded = await this.#invoke(shardId, remaining);
      onBatch({ succeeded, discarded: 0 });
      retries = succeeded > 0 ? 0 : retries + 1;
      remaining = remaining.slice(succeeded);
      if (retries <= MAX_RETRIES) continue;
      const [{ SequenceNumber: sequenceNumber } = {}] = remaining;
      log.error({ shardId, sequenceNumber }, 'record discarded: the Lambda failed on it');
      onBatch({ succeeded: 0, discarded: 1 });
      remaining = remaining.slice(1);
      retries = 0;
    }
  }

  /** @returns how many records are done, from the first on; none if the handler throws or names no record */
  async #invoke(shardId: string, records: readonly KinesisRecord[]): Promise<number> {
    const { handler, log } = this.#options;
    try {
      const { batchItemFailures } = await handler(event(shardId, records));
      const failed = batchItemFailures.map(({ itemIdentifier }) =>
        records.findIndex(({ SequenceNumber }) => SequenceNumber === itemIdentifier),
      );
      return Math.max(0, Math.min(records.length, ...failed));
    } catch (error) {
      log.warn({ shardId, error: errorName(error) }, `the Lambda failed: ${errorMessage(error)}`);
      return 0;
    }
  }
}

/** https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html */
function event(shardId: string, records: readonly KinesisRecord[]): KinesisStreamEvent {
  return {
    Records: records.map(({ SequenceNumber = '', PartitionKey = '', Data, ApproximateArrivalTimestamp }) => ({
      kinesis: {
        kinesisSchemaVersion: '1.0',
        partitionKey: PartitionKey,
        sequenceNumber: SequenceNumber,
        data: Buffer.from(Data ?? []).toString('base64'),
        approximateArrivalTimestamp: (ApproximateArrivalTimestamp?.getTime() ?? 0) / 1000,
      },
      eventSource: 'aws:kinesis',
      eventVersion: '1.0',
      eventID: `${shardId}:${SequenceNumber}`,
      eventName: 'aws:kinesis:record',
      invokeIdentityArn: 'arn:aws:iam::000000000000:role/local',
      awsRegion: 'us-east-1',
      eventSourceARN: 'arn:aws:kinesis:us-east-1:000000000000:stream/local',
    })),
  };
}

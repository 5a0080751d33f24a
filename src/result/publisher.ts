import { type KinesisClient, PutRecordsCommand, type PutRecordsRequestEntry } from '@aws-sdk/client-kinesis';
import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName, KvsInferenceError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { fullJitter } from '../core/retry.ts';
import type { ResultRecord } from './record.ts';

interface Pending {
  readonly record: ResultRecord;
  readonly entry: PutRecordsRequestEntry;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly signal: AbortSignal;
}

/** PutRecords' limits; 5 MiB holds in every region. */
const MAX_BATCH_RECORDS = 500;
const MAX_BATCH_BYTES = 5 * 1024 * 1024;
const MAX_RECORD_BYTES = 1024 * 1024;
const BACKOFF = { baseDelayMillis: 200, maxDelayMillis: 10_000 };

/**
 * Puts results into the Kinesis data stream
 * (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html). One request is under way at a time;
 * what arrives meanwhile is the next batch, so batches grow with the load and nothing waits without need.
 *
 * At least once: a record whose answer was lost is put again. Order is not kept.
 */
export class ResultPublisher {
  readonly #kinesis: Pick<KinesisClient, 'send'>;
  readonly #streamName: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #metrics: Metrics;
  #pending: Pending[] = [];
  #isRunning = false;

  constructor(options: {
    /** Must not retry by itself. */
    kinesis: Pick<KinesisClient, 'send'>;
    streamName: string;
    clock: Clock;
    log: Logger;
    metrics: Metrics;
  }) {
    this.#kinesis = options.kinesis;
    this.#streamName = options.streamName;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#metrics = options.metrics;
  }

  /**
   * Resolves when the record is in the data stream; retries until then.
   *
   * @throws {KvsInferenceError} RESULT_TOO_LARGE
   * @throws AbortError if `signal` aborts before
   */
  async publish(record: ResultRecord, signal: AbortSignal): Promise<void> {
    const data = Buffer.from(JSON.stringify(record));
    const bytes = data.length + Buffer.byteLength(record.streamName);
    if (bytes > MAX_RECORD_BYTES) {
      const problem = `result of ${bytes} bytes, a record of the data stream holds ${MAX_RECORD_BYTES}`;
      throw new KvsInferenceError('RESULT_TOO_LARGE', problem);
    }
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const abort = () => reject(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      this.#pending.push({
        record,
        entry: { Data: data, PartitionKey: record.streamName },
        bytes,
        signal,
        resolve: () => {
          signal.removeEventListener('abort', abort);
          resolve();
        },
      });
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // Frames of many streams finish in the same turn: they share the first request.
    await Promise.resolve();
    for (let failures = 0; this.#pending.length > 0; ) {
      const batch = this.#nextBatch();
      const [first] = batch;
      if (first === undefined) continue;
      const failed = await this.#put(batch, first.signal);
      failures = failed.length > 0 ? failures + 1 : 0;
      if (failed.length === 0) continue;
      this.#pending = [...failed, ...this.#pending];
      await this.#clock.sleep(fullJitter(failures, BACKOFF), first.signal).catch(() => undefined);
    }
    this.#isRunning = false;
  }

  #nextBatch(): Pending[] {
    this.#pending = this.#pending.filter(({ signal }) => !signal.aborted);
    let bytes = 0;
    let count = 0;
    for (const pending of this.#pending) {
      bytes += pending.bytes;
      if (count === MAX_BATCH_RECORDS || bytes > MAX_BATCH_BYTES) break;
      count += 1;
    }
    return this.#pending.splice(0, count);
  }

  /** @returns the records that are to be put again */
  async #put(batch: Pending[], signal: AbortSignal): Promise<Pending[]> {
    const command = new PutRecordsCommand({
      StreamName: this.#streamName,
      Records: batch.map(({ entry }) => entry),
    });
    try {
      const { Records: results = [] } = await this.#kinesis.send(command, { abortSignal: signal });
      const failed: Pending[] = [];
      const errors = new Map<string, number>();
      for (const [index, pending] of batch.entries()) {
        const result = results[index];
        if (result?.SequenceNumber !== undefined) {
          pending.resolve();
        } else {
          const code = result?.ErrorCode ?? 'NoAnswer';
          errors.set(code, (errors.get(code) ?? 0) + 1);
          failed.push(pending);
        }
      }
      if (failed.length > 0)
        this.#reportRetry(failed, Object.fromEntries(errors), 'some records were refused');
      return failed;
    } catch (error) {
      if (signal.aborted) return [];
      this.#reportRetry(batch, { [errorName(error)]: batch.length }, errorMessage(error));
      return batch;
    }
  }

  #reportRetry(records: Pending[], errors: Record<string, number>, problem: string): void {
    for (const { record } of records) this.#metrics.count('PublishRetries', record.streamName);
    const ids = records.slice(0, 20).map(({ record }) => record.id);
    this.#log.warn(
      { dataStream: this.#streamName, records: records.length, errors, ids },
      `results not published yet, trying again: ${problem}`,
    );
  }
}

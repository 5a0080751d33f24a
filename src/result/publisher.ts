import { type KinesisClient, PutRecordsCommand, type PutRecordsRequestEntry } from '@aws-sdk/client-kinesis';
import { type Clock, withTimeout } from '../core/clock.ts';
import { errorMessage, errorName, KvsInferenceError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { fullJitter } from '../core/retry.ts';
import type { Tenure } from '../stream/sampled-frame.ts';
import type { ResultRecord } from './record.ts';

interface Pending {
  readonly record: ResultRecord;
  readonly entry: PutRecordsRequestEntry;
  readonly bytes: number;
  readonly tenure: Tenure;
  readonly resolve: () => void;
  readonly giveUp: () => void;
}

/** PutRecords' limits; 5 MiB holds in every region. */
const MAX_BATCH_RECORDS = 500;
const MAX_BATCH_BYTES = 5 * 1024 * 1024;
const MAX_RECORD_BYTES = 1024 * 1024;
/** Of one request. */
const TIMEOUT_MILLIS = 10_000;
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
  /** Oldest first; those of the request that is under way are among them. */
  readonly #pending = new Set<Pending>();
  /** Aborts when nothing is pending any more. */
  #emptied = new AbortController();
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
   * Resolves when the record is in the data stream; retries until then. A record whose request is under way when its
   * tenure ends may still arrive.
   *
   * @throws {KvsInferenceError} RESULT_TOO_LARGE; TENURE_OVER as soon as `tenure` is over, or if it is found invalid
   *   when the record's turn comes
   */
  async publish(record: ResultRecord, tenure: Tenure): Promise<void> {
    const data = Buffer.from(JSON.stringify(record));
    const bytes = data.length + Buffer.byteLength(record.streamName);
    if (bytes > MAX_RECORD_BYTES) {
      const problem = `result of ${bytes} bytes, a record of the data stream holds ${MAX_RECORD_BYTES}`;
      throw new KvsInferenceError('RESULT_TOO_LARGE', problem);
    }
    if (tenure.over.aborted) throw tenureOver();
    await new Promise<void>((resolve, reject) => {
      const giveUp = () => {
        this.#remove(pending);
        reject(tenureOver());
      };
      const entry = { Data: data, PartitionKey: record.streamName };
      const pending: Pending = { record, entry, bytes, tenure, resolve, giveUp };
      tenure.over.addEventListener('abort', giveUp, { once: true });
      this.#pending.add(pending);
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // Frames of many streams finish in the same turn: they share the first request.
    await Promise.resolve();
    for (let failures = 0; this.#pending.size > 0; ) {
      const batch = this.#nextBatch();
      if (batch.length === 0) continue;
      this.#emptied = new AbortController();
      const { signal } = this.#emptied;
      failures = (await this.#put(batch, signal)) ? 0 : failures + 1;
      if (failures === 0) continue;
      await this.#clock.sleep(fullJitter(failures, BACKOFF), signal).catch(() => undefined);
    }
    this.#isRunning = false;
  }

  /** The oldest records, as many as a request holds. */
  #nextBatch(): Pending[] {
    const batch: Pending[] = [];
    let bytes = 0;
    for (const pending of this.#pending) {
      if (!pending.tenure.isValid()) {
        pending.giveUp();
        continue;
      }
      bytes += pending.bytes;
      if (batch.length === MAX_BATCH_RECORDS || bytes > MAX_BATCH_BYTES) break;
      batch.push(pending);
    }
    return batch;
  }

  /**
   * The end of a record's tenure does not end the request, which carries others' records too.
   *
   * @param signal ends it
   * @returns whether nothing of the batch is to be put again
   */
  async #put(batch: Pending[], signal: AbortSignal): Promise<boolean> {
    const command = new PutRecordsCommand({
      StreamName: this.#streamName,
      Records: batch.map(({ entry }) => entry),
    });
    try {
      const { Records: results = [] } = await withTimeout(
        this.#clock,
        TIMEOUT_MILLIS,
        signal,
        (abortSignal) => this.#kinesis.send(command, { abortSignal }),
      );
      const failed: Pending[] = [];
      const errors = new Map<string, number>();
      for (const [index, pending] of batch.entries()) {
        const result = results[index];
        if (result?.SequenceNumber !== undefined) {
          this.#remove(pending);
          pending.resolve();
        } else if (this.#pending.has(pending)) {
          const code = result?.ErrorCode ?? 'NoAnswer';
          errors.set(code, (errors.get(code) ?? 0) + 1);
          failed.push(pending);
        }
      }
      if (failed.length > 0)
        this.#reportRetry(failed, Object.fromEntries(errors), 'some records were refused');
      return failed.length === 0;
    } catch (error) {
      const failed = batch.filter((pending) => this.#pending.has(pending));
      if (failed.length > 0)
        this.#reportRetry(failed, { [errorName(error)]: failed.length }, errorMessage(error));
      return false;
    }
  }

  #remove(pending: Pending): void {
    pending.tenure.over.removeEventListener('abort', pending.giveUp);
    this.#pending.delete(pending);
    if (this.#pending.size === 0) this.#emptied.abort();
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

function tenureOver(): KvsInferenceError {
  return new KvsInferenceError('TENURE_OVER', 'the lease of the stream is not held any more');
}

import type { KinesisClient, PutRecordsResultEntry } from '@aws-sdk/client-kinesis';
import type { Config } from '../config/resolve.ts';
import { AbortListeners } from '../core/abort-listeners.ts';
import { type Clock, FINISHED, withTimeout } from '../core/clock.ts';
import { errorMessage, errorName, KvsInferenceError } from '../core/errors.ts';
import { fullJitter } from '../core/retry.ts';
import type { Tenure } from '../stream/sampled-frame.ts';
import { Alarm } from './alarm.ts';
import { type EncodedRecord, recordBytes } from './build.ts';
import { MAX_BATCH_RECORDS, Outbox, type Pending, type Request } from './outbox.ts';
import { PublishRetries, type PublishRetriesOptions } from './publish-retries.ts';
import { putRecords } from './put-records.ts';
import { tenureOver } from './tenure-over.ts';
import { WaitingBytes } from './waiting-bytes.ts';

/** So one that hangs does not hold up the others, and what the requests hold in memory is bounded. */
const MAX_REQUESTS = 4;
/** Of one request. */
const TIMEOUT_MILLIS = 10_000;
const BACKOFF = { baseDelayMillis: 200, maxDelayMillis: 10_000 };
/** Errors of a whole request that one bad record can be the cause of. */
const REFUSALS = new Set(['ValidationException', 'InvalidArgumentException']);

/**
 * Puts results into the Kinesis data stream
 * (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html). When nothing is under way, a record
 * is put at once; during a request others gather, until that has ended, a batch is full, or 200 ms are over: batches
 * grow with the load and nothing waits without need.
 *
 * At least once: a record whose answer was lost is put again. Order is not kept.
 */
export class ResultPublisher {
  /** Of all that is being published. */
  readonly waiting = new WaitingBytes();
  readonly #kinesis: Pick<KinesisClient, 'send'>;
  readonly #config: () => Pick<Config, 'kdsStreamName' | 'maxRecordBytes'>;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #outbox: Outbox;
  readonly #requests = new Set<Request>();
  readonly #overListeners = new AbortListeners();
  readonly #retries: PublishRetries;
  readonly #alarm: Alarm;
  /** Requests in a row that failed as a whole. */
  #failures = 0;
  /** Monotonic milliseconds. */
  #pausedUntil = Number.NEGATIVE_INFINITY;
  /** Records so far. */
  #accepted = 0;
  #isFlushComing = false;

  constructor(
    options: PublishRetriesOptions & {
      /** Must not retry by itself. */
      kinesis: Pick<KinesisClient, 'send'>;
      /**
       * Read for each request. Records that wait when the data stream changes go to the new one: the old may be gone
       * for good, and they would wait for ever. One that was on its way to the old may be in both.
       */
      config: () => Pick<Config, 'kdsStreamName' | 'maxRecordBytes'>;
      random?: () => number;
    },
  ) {
    this.#kinesis = options.kinesis;
    this.#config = options.config;
    this.#clock = options.clock;
    this.#random = options.random ?? Math.random;
    this.#outbox = new Outbox(this.#random);
    this.#alarm = new Alarm(options.clock, () => this.#flush());
    this.#retries = new PublishRetries(options);
  }

  /**
   * Resolves when the record is in the data stream; retries until then. A record whose request is under way when its
   * tenure ends may still arrive.
   *
   * @throws {KvsInferenceError} RESULT_TOO_LARGE; RESULT_REFUSED if the data stream takes others, but not this one;
   *   TENURE_OVER as soon as `tenure` is over, or if it is found invalid when the record's turn comes
   */
  publish(record: EncodedRecord, tenure: Tenure): Promise<void> {
    const bytes = recordBytes(record);
    const { maxRecordBytes } = this.#config();
    return new Promise<void>((resolve, reject) => {
      if (bytes > maxRecordBytes) {
        const problem = `result of ${bytes} bytes, a record of the data stream holds ${maxRecordBytes}`;
        throw new KvsInferenceError('RESULT_TOO_LARGE', problem);
      }
      if (tenure.over.aborted) throw tenureOver();
      const giveUp = () => {
        this.#remove(pending);
        reject(tenureOver());
      };
      const pending: Pending = {
        record,
        bytes,
        tenure,
        resolve,
        reject,
        giveUp,
        isWanted: true,
        request: null,
        maxBatch: MAX_BATCH_RECORDS,
        refusedAt: null,
      };
      this.waiting.add(record.streamName, bytes);
      this.#overListeners.add(tenure.over, giveUp);
      this.#outbox.add(pending, this.#clock.monotonic());
      this.#flushSoon();
    });
  }

  /** Frames of many streams finish in the same turn: they share the first request. */
  #flushSoon(): void {
    if (this.#isFlushComing) return;
    this.#isFlushComing = true;
    queueMicrotask(() => {
      this.#isFlushComing = false;
      this.#flush();
    });
  }

  /** Makes the requests that are due, and sees to it that the next are made when they are. */
  #flush(): void {
    const now = this.#clock.monotonic();
    this.#outbox.release(now);
    while (now >= this.#nextRequest) {
      const batch = this.#outbox.takeBatch().filter(isValid);
      if (batch.length > 0) void this.#request(batch);
    }
    this.#alarm.set(Math.min(this.#nextRequest, this.#outbox.nextRelease));
  }

  /** When the next request is to be made, as far as that depends on time. */
  get #nextRequest(): number {
    const { due } = this.#outbox;
    if (due === Number.POSITIVE_INFINITY || this.#requests.size >= MAX_REQUESTS) {
      return Number.POSITIVE_INFINITY;
    }
    return this.#requests.size === 0 ? this.#pausedUntil : Math.max(due, this.#pausedUntil);
  }

  async #request(batch: readonly Pending[]): Promise<void> {
    const request: Request = { wanted: batch.length, end: new AbortController() };
    this.#requests.add(request);
    for (const pending of batch) pending.request = request;
    try {
      const results = await this.#put(batch, request.end.signal);
      this.#failures = 0;
      this.#takeResults(batch, results);
    } catch (error) {
      const wanted = batch.filter(({ isWanted }) => isWanted);
      if (wanted.length > 0) this.#takeFailure(batch.length, wanted, error);
    }
    this.#requests.delete(request);
    this.#flush();
  }

  /** @param signal ends it: the end of one record's tenure does not, as it carries others' records too */
  async #put(batch: readonly Pending[], signal: AbortSignal): Promise<readonly PutRecordsResultEntry[]> {
    const { kdsStreamName } = this.#config();
    const records = batch.map(({ record }) => record);
    return await withTimeout(this.#clock, TIMEOUT_MILLIS, signal, (abortSignal) =>
      putRecords(this.#kinesis, kdsStreamName, records, abortSignal),
    );
  }

  #takeResults(batch: readonly Pending[], results: readonly PutRecordsResultEntry[]): void {
    const refused: Pending[] = [];
    const errors: Record<string, number> = {};
    batch.forEach((pending, index) => {
      const result = results[index];
      const isAccepted = result?.SequenceNumber !== undefined;
      if (isAccepted) this.#accepted += 1;
      if (!pending.isWanted) return;
      if (isAccepted) {
        this.#remove(pending);
        pending.resolve();
        return;
      }
      const code = result?.ErrorCode ?? 'NoAnswer';
      errors[code] = (errors[code] ?? 0) + 1;
      refused.push(pending);
    });
    // After those that were accepted: a partition key of which some are is slowed down for the first time.
    const now = this.#clock.monotonic();
    for (const pending of refused) this.#outbox.hold(pending, now);
    if (refused.length > 0) this.#retries.report(refused, errors, 'some records were refused');
  }

  /** @param records those of the batch that are still wanted */
  #takeFailure(batchSize: number, records: readonly Pending[], error: unknown): void {
    const now = this.#clock.monotonic();
    this.#retries.report(records, { [errorName(error)]: records.length }, errorMessage(error));
    const isRefusal = REFUSALS.has(errorName(error));
    // Requests that fail side by side are one failure.
    if (!isRefusal && now >= this.#pausedUntil) {
      this.#failures += 1;
      this.#pausedUntil = now + fullJitter(this.#failures, BACKOFF, this.#random);
    }
    // A stream that has become slow may manage fewer records at a time.
    const isTimeout = errorName(error) === 'TIMEOUT';
    for (const pending of records) {
      if (isTimeout) pending.maxBatch = Math.ceil(batchSize / 2);
      if (isRefusal) this.#takeRefusal(pending, batchSize, error, now);
      else this.#outbox.add(pending, now);
    }
  }

  /**
   * Looks for the record that the request was refused for. One that is refused alone is given up if others have been
   * accepted since it was first in a request that was refused: then it is not the data stream.
   */
  #takeRefusal(pending: Pending, batchSize: number, error: unknown, now: number): void {
    pending.refusedAt ??= this.#accepted;
    if (batchSize > 1) {
      pending.maxBatch = Math.ceil(batchSize / 2);
      this.#outbox.add(pending, now);
    } else if (pending.refusedAt === this.#accepted) {
      this.#outbox.hold(pending, now);
    } else {
      this.#remove(pending);
      const problem = `the data stream does not take the result: ${errorMessage(error)}`;
      pending.reject(new KvsInferenceError('RESULT_REFUSED', problem, { cause: error }));
    }
  }

  #remove(pending: Pending): void {
    const { record, bytes, tenure, giveUp, request } = pending;
    pending.isWanted = false;
    this.waiting.remove(record.streamName, bytes);
    this.#overListeners.remove(tenure.over, giveUp);
    this.#outbox.remove(pending);
    if (request !== null) {
      request.wanted -= 1;
      if (request.wanted === 0) request.end.abort(FINISHED);
    }
    // Nobody waits: whoever comes next need not, either.
    if (this.#outbox.isEmpty && [...this.#requests].every(({ wanted }) => wanted === 0)) {
      this.#failures = 0;
      this.#pausedUntil = Number.NEGATIVE_INFINITY;
      this.#flushSoon();
    }
  }
}

/** Gives up a record that may not be published any more. */
function isValid({ tenure, giveUp }: Pending): boolean {
  if (tenure.isValid()) return true;
  giveUp();
  return false;
}

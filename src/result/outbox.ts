import type { KvsInferenceError } from '../core/errors.ts';
import { fullJitter } from '../core/retry.ts';
import type { Tenure } from '../stream/sampled-frame.ts';
import type { EncodedRecord } from './build.ts';

/** A record on its way into the data stream. */
export interface Pending {
  readonly record: EncodedRecord;
  /** As the data stream counts them. */
  readonly bytes: number;
  readonly tenure: Tenure;
  readonly resolve: () => void;
  readonly reject: (error: KvsInferenceError) => void;
  /** Ends it with its tenure. */
  readonly giveUp: () => void;
  /** Whether somebody waits for it: not accepted, and not given up. */
  isWanted: boolean;
  /** The last that it was put into. */
  request: Request | null;
  /** The most records of a batch with it: halved each time such a batch is refused as a whole. */
  maxBatch: number;
  /** How many records had been accepted when a request with it was first refused as a whole. */
  refusedAt: number | null;
}

/** PutRecords with a batch. */
export interface Request {
  /** How many of its records somebody waits for. */
  wanted: number;
  readonly end: AbortController;
}

/** What waits because the data stream refused records of its partition key. */
interface Hold {
  /** In a row, without one of its records being accepted. */
  failures: number;
  /** Monotonic milliseconds; null = they may be put again. */
  until: number | null;
  readonly records: Set<Pending>;
}

/** PutRecords' limits; 5 MiB holds in every region. A record that is larger is a batch of its own. */
export const MAX_BATCH_RECORDS = 500;
const MAX_BATCH_BYTES = 5 * 1024 * 1024;
/** Due at any time. */
const FULL = Number.NEGATIVE_INFINITY;
/** A record waits no longer for others to share a request with. */
const MAX_WAIT_MILLIS = 200;
/** What a shard takes is counted by the second. */
const HOLD = { baseDelayMillis: 500, maxDelayMillis: 10_000 };

/**
 * The records that wait for a request: which are next, and which are held back because the shard of their partition
 * key takes no more for now. Pure but for chance; times are monotonic milliseconds.
 */
export class Outbox {
  readonly #random: () => number;
  /** Since when they can be put, oldest first. */
  readonly #ready = new Map<Pending, number>();
  #readyBytes = 0;
  /** By partition key; one is forgotten when nothing of it waits any more. */
  readonly #holds = new Map<string, Hold>();

  constructor(random: () => number) {
    this.#random = random;
  }

  get isEmpty(): boolean {
    return this.#ready.size === 0 && this.nextRelease === Number.POSITIVE_INFINITY;
  }

  /** When a batch is to go though other requests are under way. */
  get due(): number {
    if (this.#ready.size >= MAX_BATCH_RECORDS || this.#readyBytes >= MAX_BATCH_BYTES) return FULL;
    const [oldest] = this.#ready.values();
    return oldest === undefined ? Number.POSITIVE_INFINITY : oldest + MAX_WAIT_MILLIS;
  }

  /** When records that are held back can be put again. */
  get nextRelease(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { until } of this.#holds.values()) next = Math.min(next, until ?? next);
    return next;
  }

  add(pending: Pending, now: number): void {
    const hold = this.#holds.get(pending.record.streamName);
    if (hold !== undefined && hold.until !== null) {
      hold.records.add(pending);
      return;
    }
    this.#ready.set(pending, now);
    this.#readyBytes += pending.bytes;
  }

  /** Takes a record back that was refused by itself: those of its partition key slow down, nobody else. */
  hold(pending: Pending, now: number): void {
    const { streamName } = pending.record;
    const hold: Hold = this.#holds.get(streamName) ?? { failures: 0, until: null, records: new Set() };
    this.#holds.set(streamName, hold);
    hold.records.add(pending);
    if (hold.until !== null) return;
    hold.failures += 1;
    hold.until = now + fullJitter(hold.failures, HOLD, this.#random);
    for (const other of this.#ready.keys()) {
      if (other.record.streamName !== streamName) continue;
      this.#removeReady(other);
      hold.records.add(other);
    }
  }

  /** Lets go of what has been held back for long enough. */
  release(now: number): void {
    for (const hold of this.#holds.values()) {
      if (hold.until === null || hold.until > now) continue;
      hold.until = null;
      for (const pending of hold.records) this.add(pending, now);
      hold.records.clear();
    }
  }

  /** Of a record that was accepted or is given up, whether or not it waits here. */
  remove(pending: Pending): void {
    this.#removeReady(pending);
    const hold = this.#holds.get(pending.record.streamName);
    hold?.records.delete(pending);
    if (hold?.records.size === 0) this.#holds.delete(pending.record.streamName);
  }

  /** Takes out the oldest records, as many as a request holds. */
  takeBatch(): Pending[] {
    const batch: Pending[] = [];
    let bytes = 0;
    let limit = MAX_BATCH_RECORDS;
    for (const pending of this.#ready.keys()) {
      bytes += pending.bytes;
      limit = Math.min(limit, pending.maxBatch);
      if (batch.length > 0 && (batch.length >= limit || bytes > MAX_BATCH_BYTES)) break;
      batch.push(pending);
    }
    for (const pending of batch) this.#removeReady(pending);
    return batch;
  }

  #removeReady(pending: Pending): void {
    if (this.#ready.delete(pending)) this.#readyBytes -= pending.bytes;
  }
}

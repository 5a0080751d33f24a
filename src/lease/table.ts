import { KvsInferenceError } from '../core/errors.ts';
import { isStreamLease, SYNC_LEASE_KEY } from './keys.ts';
import { type Lease, type LeaseItem, newLeaseItem, parseLease, type StartPosition } from './lease.ts';
import {
  AS_SEEN,
  type Change,
  freeWrite,
  type Progress,
  progressWrite,
  releaseWrite,
  type Successor,
  seenValues,
  takeWrite,
} from './lease-writes.ts';
import type { TableClient } from './table-client.ts';

/** The lease is no longer ours: another worker took it, or it was deleted. */
export class LeaseLostError extends KvsInferenceError {
  override readonly name = 'LeaseLostError';

  constructor(leaseKey: string) {
    super('LEASE_LOST', `lease "${leaseKey}" is owned by another worker`, { details: { leaseKey } });
  }
}

/**
 * The leases in DynamoDB. Every write is conditional on the owner and the epoch that the writer believes in, so that
 * a worker that lost its lease can change nothing; the table alone decides who owns what. No clock is compared.
 *
 * A write that landed although its answer was lost is recognised when it is tried again.
 */
export class LeaseTable {
  readonly #client: TableClient;
  readonly #onInvalid: (error: unknown) => void;

  /** @param options.onInvalid is handed what is wrong with an item that cannot be read; the item is left out */
  constructor(options: { client: TableClient; onInvalid: (error: unknown) => void }) {
    this.#client = options.client;
    this.#onInvalid = options.onInvalid;
  }

  /** Those of the leases that exist, as they are now. */
  async get(leaseKeys: readonly string[], signal: AbortSignal): Promise<Lease[]> {
    return this.#parse(await this.#client.getAll(leaseKeys, signal));
  }

  /** The keys of an owner's leases, that for synchronization included, as they were a moment ago. */
  async keysOf(leaseOwner: string, signal: AbortSignal): Promise<string[]> {
    const items = await this.#client.query(leaseOwner, signal);
    return items
      .map(({ leaseKey }) => leaseKey?.S ?? '')
      .filter((leaseKey) => isStreamLease(leaseKey) || leaseKey === SYNC_LEASE_KEY);
  }

  /** The leases of all streams, retired ones included. */
  async scan(signal: AbortSignal): Promise<Lease[]> {
    const items = await this.#client.scan(signal);
    return this.#parse(items.filter(({ leaseKey }) => isStreamLease(leaseKey?.S ?? '')));
  }

  /** Adds a free lease. @returns false if there is one of that key */
  async create(
    leaseKey: string,
    streamArn: string | null,
    start: StartPosition,
    signal: AbortSignal,
  ): Promise<boolean> {
    return await this.#client.create(newLeaseItem(leaseKey, streamArn, start), signal);
  }

  /**
   * Takes a lease that nobody has taken since `seen` was read, with all that its owner has written until then.
   *
   * @throws {LeaseLostError} if somebody has
   */
  async take(seen: Lease, leaseOwner: string, signal: AbortSignal): Promise<Lease> {
    const taken: Lease = {
      ...seen,
      leaseOwner,
      leaseCounter: seen.leaseCounter + 1,
      leaseEpoch: seen.leaseEpoch + 1,
      ownerSwitchesSinceCheckpoint: seen.ownerSwitchesSinceCheckpoint + 1,
    };
    if (await this.#client.update(seen.leaseKey, takeWrite(seen, taken), signal)) return taken;
    const [now] = await this.get([seen.leaseKey], signal);
    // Our own take whose answer was lost; since then nobody can have written to it but ourselves.
    if (now?.leaseOwner === leaseOwner && now.leaseEpoch === taken.leaseEpoch) return now;
    // The owner has written to it meanwhile, which it does once in seconds.
    if (now?.leaseOwner === seen.leaseOwner && now.leaseEpoch === seen.leaseEpoch) {
      if (now.leaseCounter > seen.leaseCounter) return await this.take(now, leaseOwner, signal);
    }
    throw new LeaseLostError(seen.leaseKey);
  }

  /** Writes our progress. @throws {LeaseLostError} */
  async write(lease: Lease, progress: Progress, signal: AbortSignal): Promise<Lease> {
    if (!(await this.#client.update(lease.leaseKey, progressWrite(lease, progress), signal))) {
      throw new LeaseLostError(lease.leaseKey);
    }
    const { checkpoint, sampling } = progress;
    return {
      ...lease,
      leaseCounter: lease.leaseCounter + 1,
      ...(checkpoint === null ? {} : { checkpoint, ownerSwitchesSinceCheckpoint: 0 }),
      ...(sampling === null ? {} : { sampling }),
    };
  }

  /** Lets our lease go, with our last progress, in one write. @throws {LeaseLostError} if it was not ours any more */
  async release(lease: Lease, progress: Progress, successor: Successor, signal: AbortSignal): Promise<void> {
    const write = releaseWrite(lease, progress, successor);
    if (await this.#client.update(lease.leaseKey, write, signal)) return;
    const [now] = await this.get([lease.leaseKey], signal);
    const isLanded =
      successor.type === 'WORKER'
        ? now?.leaseEpoch === lease.leaseEpoch + 1 && now.leaseOwner === successor.workerId
        : now?.leaseEpoch === lease.leaseEpoch && now.leaseOwner === null;
    if (!isLanded) throw new LeaseLostError(lease.leaseKey);
  }

  /**
   * Takes a lease away from whoever had it when it was read, and makes it free, or retires it.
   *
   * @returns false if it was taken or changed meanwhile
   */
  async free(seen: Lease, change: Change, signal: AbortSignal): Promise<boolean> {
    if (await this.#client.update(seen.leaseKey, freeWrite(seen, change), signal)) return true;
    const [now] = await this.get([seen.leaseKey], signal);
    if (now?.leaseOwner !== null || now.leaseEpoch !== seen.leaseEpoch + 1) return false;
    const isReset = change.start === undefined || now.checkpoint === null;
    return isReset && now.retiredAtMillis === (change.retiredAtMillis ?? null);
  }

  /** Notes the ARN of a lease that has none; touches nothing that its owner writes. */
  async nameStream(leaseKey: string, streamArn: string, signal: AbortSignal): Promise<void> {
    await this.#client.update(
      leaseKey,
      {
        UpdateExpression: 'SET streamArn = :arn',
        ConditionExpression: 'attribute_exists(leaseKey) AND attribute_not_exists(streamArn)',
        ExpressionAttributeValues: { ':arn': { S: streamArn } },
      },
      signal,
    );
  }

  /** Forgets a lease that nobody has taken since `seen` was read. @returns whether it was forgotten */
  async delete(seen: Lease, signal: AbortSignal): Promise<boolean> {
    const condition = { ConditionExpression: AS_SEEN, ExpressionAttributeValues: seenValues(seen) };
    return await this.#client.delete(seen.leaseKey, condition, signal);
  }

  #parse(items: readonly LeaseItem[]): Lease[] {
    return items.flatMap((item) => {
      try {
        return [parseLease(item)];
      } catch (error) {
        this.#onInvalid(error);
        return [];
      }
    });
  }
}

import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { KvsInferenceError } from '../core/errors.ts';
import type { Checkpoint } from './checkpoint.ts';
import { FREE, isStreamLease, RETIRED, SYNC_LEASE_KEY } from './keys.ts';
import {
  type Lease,
  type LeaseItem,
  newLeaseItem,
  parseLease,
  type StartPosition,
  startAttributes,
} from './lease.ts';
import type { TableClient } from './table-client.ts';

/** The lease is no longer ours: another worker took it, or it was deleted. */
export class LeaseLostError extends KvsInferenceError {
  override readonly name = 'LeaseLostError';

  constructor(leaseKey: string) {
    super('LEASE_LOST', `lease "${leaseKey}" is owned by another worker`, { details: { leaseKey } });
  }
}

/** To whom a lease goes that is let go: anybody, nobody, or the worker that asked for it. */
export type Successor =
  | { readonly type: 'ANYBODY' }
  | { readonly type: 'RETIRED'; readonly nowMillis: number }
  | { readonly type: 'WORKER'; readonly workerId: string };

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

  /** Takes a lease that nobody has taken since `seen` was read. @throws {LeaseLostError} if somebody has */
  async take(seen: Lease, leaseOwner: string, signal: AbortSignal): Promise<Lease> {
    const taken: Lease = {
      ...seen,
      leaseOwner,
      leaseCounter: seen.leaseCounter + 1,
      leaseEpoch: seen.leaseEpoch + 1,
      ownerSwitchesSinceCheckpoint: seen.ownerSwitchesSinceCheckpoint + 1,
    };
    const values = {
      ':owner': { S: leaseOwner },
      ':counter': integer(taken.leaseCounter),
      ':epoch': integer(taken.leaseEpoch),
      ':switches': integer(taken.ownerSwitchesSinceCheckpoint),
    };
    const assignments =
      'leaseOwner = :owner, leaseCounter = :counter, leaseEpoch = :epoch, ownerSwitchesSinceCheckpoint = :switches';
    if (await this.#updateSeen(seen, `SET ${assignments}`, values, signal)) return taken;
    const [now] = await this.get([seen.leaseKey], signal);
    // Our own take whose answer was lost; since then nobody can have written to it but ourselves.
    if (now?.leaseOwner === leaseOwner && now.leaseEpoch === taken.leaseEpoch) return now;
    throw new LeaseLostError(seen.leaseKey);
  }

  /** Writes our progress. @throws {LeaseLostError} */
  async checkpoint(lease: Lease, checkpoint: Checkpoint, signal: AbortSignal): Promise<Lease> {
    const written = checkpointed(lease, checkpoint);
    const isOurs = await this.#client.update(
      lease.leaseKey,
      {
        UpdateExpression: `SET ${CHECKPOINT}`,
        // The counter fences our own writes too that come too late.
        ConditionExpression: `${OWNED} AND leaseCounter < :counter`,
        ExpressionAttributeValues: { ...ownedValues(lease), ...checkpointValues(written, checkpoint) },
      },
      signal,
    );
    if (!isOurs) throw new LeaseLostError(lease.leaseKey);
    return written;
  }

  /** Lets our lease go, with our last progress, in one write. @throws {LeaseLostError} if it was not ours any more */
  async release(
    lease: Lease,
    checkpoint: Checkpoint | null,
    successor: Successor,
    signal: AbortSignal,
  ): Promise<void> {
    const isHandedOver = successor.type === 'WORKER';
    const nextEpoch = lease.leaseEpoch + 1;
    const isOurs = await this.#client.update(
      lease.leaseKey,
      {
        UpdateExpression: [
          'SET leaseOwner = :next',
          ...(checkpoint === null ? ['leaseCounter = :counter'] : [CHECKPOINT]),
          ...(isHandedOver ? ['leaseEpoch = :nextEpoch'] : []),
          ...(successor.type === 'RETIRED' ? ['retiredAtMillis = :now'] : []),
        ].join(', '),
        ConditionExpression: OWNED,
        ExpressionAttributeValues: {
          ...ownedValues(lease),
          ':next': { S: ownerAfter(successor) },
          ...(checkpoint === null
            ? { ':counter': integer(lease.leaseCounter + 1) }
            : checkpointValues(checkpointed(lease, checkpoint), checkpoint)),
          ...(isHandedOver ? { ':nextEpoch': integer(nextEpoch) } : {}),
          ...(successor.type === 'RETIRED' ? { ':now': integer(successor.nowMillis) } : {}),
        },
      },
      signal,
    );
    if (isOurs) return;
    const [now] = await this.get([lease.leaseKey], signal);
    const isLanded = isHandedOver
      ? now?.leaseEpoch === nextEpoch && now.leaseOwner === successor.workerId
      : now?.leaseEpoch === lease.leaseEpoch && now.leaseOwner === null;
    if (!isLanded) throw new LeaseLostError(lease.leaseKey);
  }

  /**
   * Takes a lease away from whoever had it when it was read, and makes it free, or retires it.
   *
   * @param start reads the stream from there, in place of from its checkpoint
   * @returns false if it was taken or changed meanwhile
   */
  async free(
    seen: Lease,
    change: { start?: StartPosition; streamArn?: string | null; retiredAtMillis?: number },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { start, streamArn = null, retiredAtMillis } = change;
    const attributes: LeaseItem = {
      leaseOwner: { S: retiredAtMillis === undefined ? FREE : RETIRED },
      leaseEpoch: integer(seen.leaseEpoch + 1),
      ...(streamArn === null ? {} : { streamArn: { S: streamArn } }),
      ...(retiredAtMillis === undefined ? {} : { retiredAtMillis: integer(retiredAtMillis) }),
      ...(start === undefined ? {} : startAttributes(start)),
    };
    const names = Object.keys(attributes);
    const removed = [
      ...(retiredAtMillis === undefined ? ['retiredAtMillis'] : []),
      ...(start === undefined ? [] : ['checkpointTimestampMillis']),
      ...(start?.type === 'EARLIEST' ? ['startTimestampMillis'] : []),
    ];
    const expression = `SET ${names.map((name) => `${name} = :${name}`).join(', ')}${removed.length > 0 ? ` REMOVE ${removed.join(', ')}` : ''}`;
    const values = Object.fromEntries(names.map((name) => [`:${name}`, attributes[name] as AttributeValue]));
    return await this.#updateSeen(seen, expression, values, signal);
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

  /** Forgets a lease that nobody has taken since `seen` was read. */
  async delete(seen: Lease, signal: AbortSignal): Promise<void> {
    const condition = {
      ConditionExpression: 'leaseEpoch = :seenEpoch AND leaseOwner = :seenOwner',
      ExpressionAttributeValues: seenValues(seen),
    };
    await this.#client.delete(seen.leaseKey, condition, signal);
  }

  async #updateSeen(
    seen: Lease,
    expression: string,
    values: LeaseItem,
    signal: AbortSignal,
  ): Promise<boolean> {
    return await this.#client.update(
      seen.leaseKey,
      {
        UpdateExpression: expression,
        ConditionExpression: 'leaseOwner = :seenOwner AND leaseEpoch = :seenEpoch',
        ExpressionAttributeValues: { ...values, ...seenValues(seen) },
      },
      signal,
    );
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

const OWNED = 'leaseOwner = :owner AND leaseEpoch = :epoch';
const CHECKPOINT =
  'leaseCounter = :counter, checkpoint = :checkpoint, checkpointTimestampMillis = :timestamp, iFrameCounter = :iFrames, ownerSwitchesSinceCheckpoint = :switches';

function checkpointed(lease: Lease, checkpoint: Checkpoint): Lease {
  return { ...lease, leaseCounter: lease.leaseCounter + 1, checkpoint, ownerSwitchesSinceCheckpoint: 0 };
}

function checkpointValues({ leaseCounter }: Lease, checkpoint: Checkpoint): LeaseItem {
  return {
    ':counter': integer(leaseCounter),
    ':checkpoint': { S: checkpoint.fragmentNumber },
    ':timestamp': integer(checkpoint.serverTimestampMillis),
    ':iFrames': integer(checkpoint.iFrameCounter),
    ':switches': integer(0),
  };
}

function ownedValues(lease: Lease): LeaseItem {
  return { ':owner': { S: lease.leaseOwner ?? '' }, ':epoch': integer(lease.leaseEpoch) };
}

function seenValues({ leaseOwner, leaseEpoch, retiredAtMillis }: Lease): LeaseItem {
  const owner = leaseOwner ?? (retiredAtMillis === null ? FREE : RETIRED);
  return { ':seenOwner': { S: owner }, ':seenEpoch': integer(leaseEpoch) };
}

function ownerAfter(successor: Successor): string {
  switch (successor.type) {
    case 'ANYBODY':
      return FREE;
    case 'RETIRED':
      return RETIRED;
    case 'WORKER':
      return successor.workerId;
  }
}

function integer(value: number): AttributeValue {
  return { N: String(value) };
}

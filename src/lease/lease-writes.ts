import type { AttributeValue, UpdateItemCommandInput } from '@aws-sdk/client-dynamodb';
import type { Checkpoint } from './checkpoint.ts';
import { FREE, RETIRED } from './keys.ts';
import { type Lease, type LeaseItem, type StartPosition, startAttributes } from './lease.ts';
import { type SamplingPeriod, samplingText } from './sampling.ts';

/** What an UpdateItem does, and on which condition. */
export type Write = Required<
  Pick<UpdateItemCommandInput, 'UpdateExpression' | 'ConditionExpression' | 'ExpressionAttributeValues'>
>;

/** To whom a lease goes that is let go: anybody, nobody, or the worker that asked for it. */
export type Successor =
  | { readonly type: 'ANYBODY' }
  | { readonly type: 'RETIRED'; readonly nowMillis: number }
  | { readonly type: 'WORKER'; readonly workerId: string };

/** What an owner writes of its lease; null = as it is. */
export interface Progress {
  readonly checkpoint: Checkpoint | null;
  readonly sampling: readonly SamplingPeriod[] | null;
}

/** What somebody who does not own a lease changes of it. */
export interface Change {
  /** The stream is read from there, in place of from its checkpoint. */
  readonly start?: StartPosition;
  /** Null = as it is. */
  readonly streamArn?: string | null;
  /** Retires the lease; without it the lease is free. */
  readonly retiredAtMillis?: number;
}

/*
 * The writes to a lease, pure: each is conditional on the owner and the epoch that the writer believes in; a take also
 * on its owner having written nothing since.
 */

export function takeWrite(seen: Lease, taken: Lease): Write {
  const attributes = {
    leaseOwner: { S: taken.leaseOwner ?? '' },
    leaseCounter: integer(taken.leaseCounter),
    leaseEpoch: integer(taken.leaseEpoch),
    ownerSwitchesSinceCheckpoint: integer(taken.ownerSwitchesSinceCheckpoint),
  };
  return {
    ...assignment(attributes),
    // Whoever takes a lease goes on from all that its owner has written of it.
    ConditionExpression: `${AS_SEEN} AND leaseCounter = :seenCounter`,
    ExpressionAttributeValues: {
      ...values(attributes, seen),
      ':seenCounter': integer(seen.leaseCounter),
    },
  };
}

export function progressWrite(lease: Lease, progress: Progress): Write {
  const attributes = progressAttributes(lease, progress);
  return {
    ...assignment(attributes),
    // The counter fences our own writes too that come too late.
    ConditionExpression: `${AS_SEEN} AND leaseCounter < :leaseCounter`,
    ExpressionAttributeValues: values(attributes, lease),
  };
}

export function releaseWrite(lease: Lease, progress: Progress, successor: Successor): Write {
  const attributes: LeaseItem = {
    ...progressAttributes(lease, progress),
    leaseOwner: { S: ownerAfter(successor) },
    // A hand-over is a take on behalf of the successor.
    ...(successor.type === 'WORKER' ? { leaseEpoch: integer(lease.leaseEpoch + 1) } : {}),
    ...(successor.type === 'RETIRED' ? { retiredAtMillis: integer(successor.nowMillis) } : {}),
  };
  return {
    ...assignment(attributes),
    ConditionExpression: AS_SEEN,
    ExpressionAttributeValues: values(attributes, lease),
  };
}

export function freeWrite(seen: Lease, { start, streamArn = null, retiredAtMillis }: Change): Write {
  const attributes: LeaseItem = {
    leaseOwner: { S: retiredAtMillis === undefined ? FREE : RETIRED },
    leaseEpoch: integer(seen.leaseEpoch + 1),
    ...(streamArn === null ? {} : { streamArn: { S: streamArn } }),
    ...(retiredAtMillis === undefined ? {} : { retiredAtMillis: integer(retiredAtMillis) }),
    ...(start === undefined ? {} : startAttributes(start)),
  };
  const removed = [
    ...(retiredAtMillis === undefined ? ['retiredAtMillis'] : []),
    ...(start === undefined ? [] : ['checkpointTimestampMillis', 'sampling']),
    ...(start?.type === 'EARLIEST' ? ['startTimestampMillis'] : []),
  ];
  const { UpdateExpression } = assignment(attributes);
  return {
    UpdateExpression:
      removed.length === 0 ? UpdateExpression : `${UpdateExpression} REMOVE ${removed.join(', ')}`,
    ConditionExpression: AS_SEEN,
    ExpressionAttributeValues: values(attributes, seen),
  };
}

/** What a lease is written on: that it has the owner and the epoch that it was seen with. */
export const AS_SEEN = 'leaseOwner = :seenOwner AND leaseEpoch = :seenEpoch';

export function seenValues({ leaseOwner, leaseEpoch, retiredAtMillis }: Lease): LeaseItem {
  const owner = leaseOwner ?? (retiredAtMillis === null ? FREE : RETIRED);
  return { ':seenOwner': { S: owner }, ':seenEpoch': integer(leaseEpoch) };
}

function assignment(attributes: LeaseItem): Pick<Write, 'UpdateExpression'> {
  const assignments = Object.keys(attributes).map((name) => `${name} = :${name}`);
  return { UpdateExpression: `SET ${assignments.join(', ')}` };
}

function values(attributes: LeaseItem, seen: Lease): LeaseItem {
  const assigned = Object.entries(attributes).map(([name, value]) => [`:${name}`, value]);
  return { ...Object.fromEntries(assigned), ...seenValues(seen) };
}

function progressAttributes(lease: Lease, { checkpoint, sampling }: Progress): LeaseItem {
  return {
    leaseCounter: integer(lease.leaseCounter + 1),
    ...(checkpoint === null ? {} : checkpointAttributes(checkpoint)),
    ...(sampling === null ? {} : { sampling: { S: samplingText(sampling) } }),
  };
}

function checkpointAttributes(checkpoint: Checkpoint): LeaseItem {
  return {
    checkpoint: { S: checkpoint.fragmentNumber },
    checkpointTimestampMillis: integer(checkpoint.serverTimestampMillis),
    iFrameCounter: integer(checkpoint.iFrameCounter),
    ownerSwitchesSinceCheckpoint: integer(0),
  };
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

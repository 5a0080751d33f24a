import * as z from 'zod';
import { WORKERS, workerIdOf, workerKey } from './keys.ts';
import { invalidItem, type LeaseItem } from './lease.ts';

/** What a worker asks another one for. */
export interface LeaseRequest {
  /** The worker that is asked. */
  readonly owner: string;
  /** To hand the lease over to the worker that asks, or to retire it because its stream is gone. */
  readonly kind: 'HAND_OVER' | 'RETIRE';
}

/** A worker's sign of life and what the others have to know of it. */
export interface WorkerState {
  readonly workerId: string;
  /** Rises with every sign of life. */
  readonly heartbeat: number;
  /** Leases of streams that it holds. */
  readonly leaseCount: number;
  /** It takes no more leases, and hands over what it is asked for. */
  readonly isLeaving: boolean;
  /** By lease key. */
  readonly requests: ReadonlyMap<string, LeaseRequest>;
}

/** Attributes that the index carries beside the keys. Leases have none of them. */
export const WORKER_ATTRIBUTES = ['heartbeat', 'leaseCount', 'isLeaving', 'requests'];

const number = z.object({ N: z.string().regex(/^\d+$/, 'a whole number') }).transform(({ N }) => Number(N));

const requestSchema = z
  .object({
    M: z.object({
      owner: z.object({ S: z.string() }),
      kind: z.object({ S: z.enum(['HAND_OVER', 'RETIRE']) }),
    }),
  })
  .transform(({ M: { owner, kind } }): LeaseRequest => ({ owner: owner.S, kind: kind.S }));

const itemSchema = z.object({
  leaseKey: z.object({ S: z.string() }),
  heartbeat: number,
  leaseCount: number,
  isLeaving: z.object({ BOOL: z.boolean() }),
  requests: z.object({ M: z.record(z.string(), requestSchema) }),
});

/** @throws {KvsInferenceError} INVALID_LEASE naming the item and each attribute that is wrong */
export function parseWorker(item: LeaseItem): WorkerState {
  const result = itemSchema.safeParse(item);
  if (!result.success) throw invalidItem('worker', item, result.error);
  const { leaseKey, heartbeat, leaseCount, isLeaving, requests } = result.data;
  return {
    workerId: workerIdOf(leaseKey.S),
    heartbeat,
    leaseCount,
    isLeaving: isLeaving.BOOL,
    requests: new Map(Object.entries(requests.M)),
  };
}

/** @param timestampMillis wall clock, for people to read; nothing is decided by it */
export function workerItem(state: WorkerState, timestampMillis: number): LeaseItem {
  const requests = [...state.requests].map(([leaseKey, { owner, kind }]) => [
    leaseKey,
    { M: { owner: { S: owner }, kind: { S: kind } } },
  ]);
  return {
    leaseKey: { S: workerKey(state.workerId) },
    leaseOwner: { S: WORKERS },
    heartbeat: { N: String(state.heartbeat) },
    heartbeatTimestampMillis: { N: String(timestampMillis) },
    leaseCount: { N: String(state.leaseCount) },
    isLeaving: { BOOL: state.isLeaving },
    requests: { M: Object.fromEntries(requests) },
  };
}

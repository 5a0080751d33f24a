import type { Lease } from './lease.ts';

/** A stream that there is to be a lease for. */
export interface WantedStream {
  readonly streamName: string;
  /** Ends in the stream's creation time; null while it is not known. */
  readonly streamArn: string | null;
}

/** What brings the leases in step with the streams. */
export type Step =
  | { readonly type: 'CREATE'; readonly stream: WantedStream }
  /** The stream came back: it goes on where it was. */
  | { readonly type: 'REVIVE'; readonly lease: Lease; readonly streamArn: string | null }
  /** Another stream has the name now: it starts anew. */
  | { readonly type: 'RESTART'; readonly lease: Lease; readonly streamArn: string }
  /** The stream is gone, not wanted any more, or another one has its name. */
  | { readonly type: 'RETIRE'; readonly lease: Lease }
  | { readonly type: 'NAME'; readonly lease: Lease; readonly streamArn: string }
  /** Its owner is no worker. */
  | { readonly type: 'FREE'; readonly lease: Lease }
  /** Retired for long. */
  | { readonly type: 'FORGET'; readonly lease: Lease };

/** The checkpoint of a stream that is gone is kept for a day. */
const KEEP_RETIRED_MILLIS = 24 * 60 * 60_000;

export interface Reconciliation {
  streams: readonly WantedStream[];
  /** Whether a stream that is not listed is really gone. */
  isComplete: boolean;
  /** All of them, retired ones included. */
  leases: readonly Lease[];
  /** Whether there is such a worker, dead or alive. */
  isWorker: (workerId: string) => boolean;
  /** Wall clock, milliseconds since the Unix epoch: for retirement alone. */
  nowMillis: number;
}

/** The steps that make the set of leases that of the streams. Pure. */
export function reconcile({ streams, isComplete, leases, isWorker, nowMillis }: Reconciliation): Step[] {
  const wanted = new Map(streams.map((stream) => [stream.streamName, stream]));
  const known = new Set(leases.map(({ leaseKey }) => leaseKey));
  const steps: Step[] = [];
  for (const stream of streams) if (!known.has(stream.streamName)) steps.push({ type: 'CREATE', stream });
  for (const lease of leases) {
    const step = stepFor(lease, wanted.get(lease.leaseKey), { isComplete, isWorker, nowMillis });
    if (step !== null) steps.push(step);
  }
  return steps;
}

function stepFor(
  lease: Lease,
  stream: WantedStream | undefined,
  context: Pick<Reconciliation, 'isComplete' | 'isWorker' | 'nowMillis'>,
): Step | null {
  const { leaseOwner, retiredAtMillis } = lease;
  const streamArn = stream?.streamArn ?? null;
  const isOther = streamArn !== null && lease.streamArn !== null && streamArn !== lease.streamArn;
  if (retiredAtMillis !== null) {
    if (stream !== undefined) {
      return isOther ? { type: 'RESTART', lease, streamArn } : { type: 'REVIVE', lease, streamArn };
    }
    const isOld = context.nowMillis - retiredAtMillis >= KEEP_RETIRED_MILLIS;
    return isOld ? { type: 'FORGET', lease } : null;
  }
  if (isOther) return leaseOwner === null ? { type: 'RESTART', lease, streamArn } : { type: 'RETIRE', lease };
  if (stream === undefined && context.isComplete) return { type: 'RETIRE', lease };
  if (leaseOwner !== null && !context.isWorker(leaseOwner)) return { type: 'FREE', lease };
  if (streamArn !== null && lease.streamArn === null) return { type: 'NAME', lease, streamArn };
  return null;
}

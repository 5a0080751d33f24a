/*
 * What the lease table holds beside the leases of streams. A stream's name has no `$`, so these cannot collide.
 */

/** Prefix of every key that is no stream's. */
const RESERVED = '$';

/** The lease for synchronization: its holder keeps the set of leases in step with the streams. */
export const SYNC_LEASE_KEY = '$synchronization';

/** `leaseOwner` of a lease that can be taken at once. A value, so that the index finds it. */
export const FREE = '$free';
/** `leaseOwner` of a lease whose stream is gone, or is not wanted any more. */
export const RETIRED = '$retired';
/** `leaseOwner` of the workers' own items. */
export const WORKERS = '$workers';

const WORKER_PREFIX = '$worker/';

export function workerKey(workerId: string): string {
  return `${WORKER_PREFIX}${workerId}`;
}

export function workerIdOf(leaseKey: string): string {
  return leaseKey.slice(WORKER_PREFIX.length);
}

export function isStreamLease(leaseKey: string): boolean {
  return !leaseKey.startsWith(RESERVED);
}

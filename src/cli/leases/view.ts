import { errorMessage } from '../../core/errors.ts';
import { isStreamLease, SYNC_LEASE_KEY, workerKey } from '../../lease/keys.ts';
import { type Lease, type LeaseItem, parseLease } from '../../lease/lease.ts';
import { type LeaseRequest, parseWorker, type WorkerState } from '../../lease/worker-item.ts';

/** What the lease table says, for people. Ages are by wall clocks that may differ: nothing is decided by them. */
export interface LeasesView {
  readonly tableName: string;
  /** Whose table it is; null while no worker has used it. */
  readonly applicationName: string | null;
  /** When it was read, milliseconds since the Unix epoch. */
  readonly nowMillis: number;
  /** Of streams, by name. */
  readonly leases: readonly LeaseView[];
  /** By id. */
  readonly workers: readonly WorkerView[];
  /** The lease for synchronization; null while there is none. */
  readonly synchronization: LeaseView | null;
  readonly invalid: readonly InvalidItem[];
}

export interface LeaseView {
  readonly lease: Lease;
  readonly state: 'OWNED' | 'FREE' | 'RETIRED';
  /** The owner's item; null if there is no owner, or no such worker. */
  readonly owner: WorkerView | null;
  /** It has an owner that gives no sign of life, or is no worker at all. */
  readonly isOwnerSilent: boolean;
  /** From the last fragment that is done until now, milliseconds; null before the first. */
  readonly lagMillis: number | null;
  /** What the owner is asked for. */
  readonly handOver: { readonly askedBy: string; readonly kind: LeaseRequest['kind'] } | null;
}

export interface WorkerView {
  readonly worker: WorkerState;
  /** When it sent its last sign of life by its own clock, milliseconds since the Unix epoch. */
  readonly heartbeatTimestampMillis: number | null;
  /** Since its last sign of life. */
  readonly silentMillis: number | null;
  /** Silent for longer than the fail-over time. */
  readonly isSilent: boolean;
  /** Leases of streams whose owner it is by the table. */
  readonly ownedLeases: number;
}

export interface InvalidItem {
  readonly leaseKey: string;
  /** Names the item and each attribute that is wrong. */
  readonly problem: string;
}

export interface LeasesViewOptions {
  tableName: string;
  /** Everything that is in the table. */
  items: readonly LeaseItem[];
  nowMillis: number;
  failoverTimeMillis: number;
}

/** Pure. */
export function leasesView(options: LeasesViewOptions): LeasesView {
  const { tableName, items, nowMillis } = options;
  const invalid: InvalidItem[] = [];
  const parsed = <T>(isWanted: (leaseKey: string) => boolean, parse: (item: LeaseItem) => T): T[] =>
    byKey(items.filter((item) => isWanted(keyOf(item)))).flatMap((item) => {
      try {
        return [parse(item)];
      } catch (error) {
        invalid.push({ leaseKey: keyOf(item), problem: errorMessage(error) });
        return [];
      }
    });

  const leases = parsed(isStreamLease, parseLease);
  const [synchronization] = parsed((leaseKey) => leaseKey === SYNC_LEASE_KEY, parseLease);
  const owned = count(leases.map(({ leaseOwner }) => leaseOwner));
  const workers = parsed(
    (leaseKey) => leaseKey.startsWith(workerKey('')),
    (item) => workerView(item, owned, options),
  );
  const requests = requestsOf(workers);
  const byId = new Map(workers.map((view) => [view.worker.workerId, view]));
  const view = (lease: Lease) => leaseView(lease, byId, requests, nowMillis);
  const syncItem = items.find((item) => keyOf(item) === SYNC_LEASE_KEY);
  return {
    tableName,
    applicationName: syncItem?.['applicationName']?.S ?? null,
    nowMillis,
    leases: leases.map(view),
    workers,
    synchronization: synchronization === undefined ? null : view(synchronization),
    invalid,
  };
}

type Request = LeaseRequest & { readonly askedBy: string };

function leaseView(
  lease: Lease,
  workers: ReadonlyMap<string, WorkerView>,
  requests: ReadonlyMap<string, readonly Request[]>,
  nowMillis: number,
): LeaseView {
  const { leaseKey, leaseOwner, retiredAtMillis, checkpoint } = lease;
  const owner = (leaseOwner === null ? undefined : workers.get(leaseOwner)) ?? null;
  // A request that names another owner has been answered.
  const request = requests.get(leaseKey)?.find(({ owner }) => owner === leaseOwner);
  return {
    lease,
    state: leaseOwner !== null ? 'OWNED' : retiredAtMillis === null ? 'FREE' : 'RETIRED',
    owner,
    isOwnerSilent: leaseOwner !== null && (owner === null || owner.isSilent),
    lagMillis: checkpoint === null ? null : nowMillis - checkpoint.serverTimestampMillis,
    handOver: request === undefined ? null : { askedBy: request.askedBy, kind: request.kind },
  };
}

function workerView(
  item: LeaseItem,
  owned: ReadonlyMap<string | null, number>,
  { nowMillis, failoverTimeMillis }: LeasesViewOptions,
): WorkerView {
  const worker = parseWorker(item);
  const timestamp = item['heartbeatTimestampMillis']?.N;
  const heartbeatTimestampMillis = timestamp === undefined ? null : Number(timestamp);
  const silentMillis = heartbeatTimestampMillis === null ? null : nowMillis - heartbeatTimestampMillis;
  return {
    worker,
    heartbeatTimestampMillis,
    silentMillis,
    isSilent: silentMillis !== null && silentMillis > failoverTimeMillis,
    ownedLeases: owned.get(worker.workerId) ?? 0,
  };
}

/** By lease key. */
function requestsOf(workers: readonly WorkerView[]): Map<string, Request[]> {
  const requests = new Map<string, Request[]>();
  for (const { worker } of workers) {
    for (const [leaseKey, request] of worker.requests) {
      const others = requests.get(leaseKey) ?? [];
      requests.set(leaseKey, [...others, { ...request, askedBy: worker.workerId }]);
    }
  }
  return requests;
}

function count<T>(values: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

function byKey(items: readonly LeaseItem[]): LeaseItem[] {
  return items.toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
}

function keyOf(item: LeaseItem): string {
  return item['leaseKey']?.S ?? '';
}

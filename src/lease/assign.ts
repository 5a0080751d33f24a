import type { WorkerState } from './worker-item.ts';

/** What of a worker the sharing goes by. */
export type Sharer = Pick<WorkerState, 'workerId' | 'leaseCount' | 'isLeaving' | 'requests'>;

export interface Share {
  /** Which of the leases without an owner to take: those from `from` up to, not including, `to`. */
  readonly take: { readonly from: number; readonly to: number };
  /** Whom to ask for how many leases, and how many of that worker's the others ask for before. */
  readonly ask: ReadonlyArray<{ readonly owner: string; readonly skip: number; readonly count: number }>;
  /** How many of the leases that it asks for are too many now. */
  readonly withdraw: number;
}

interface Load {
  readonly workerId: string;
  /** Leases that it has or will have. */
  readonly leases: number;
  /** What it should have. */
  readonly target: number;
}

/**
 * What a worker is to take and to ask for, so that every worker has the same number of leases, or one more. Workers
 * that see the same compute shares that do not overlap; where they do not, the table decides. Pure.
 *
 * Leases without an owner go first, to those with the fewest; only what they cannot make up for is asked from those
 * with too many. Where nobody has two more than anybody else, nothing moves.
 *
 * @param sharers the workers that live, `workerId` included
 * @param unowned number of leases without an owner
 */
export function shareOf(workerId: string, sharers: readonly Sharer[], unowned: number): Share {
  const loads = targets(sharers, unowned);
  const needy = loads
    .filter(({ leases, target }) => target > leases)
    .sort((one, other) => one.leases - other.leases || compareText(one.workerId, other.workerId));
  let from = 0;
  for (const load of needy) {
    const to = from + load.target - load.leases;
    if (load.workerId === workerId) {
      return {
        take: { from: Math.min(from, unowned), to: Math.min(to, unowned) },
        ask: surplus(loads, Math.max(0, from - unowned), Math.max(0, to - unowned)),
        withdraw: 0,
      };
    }
    from = to;
  }
  const own = loads.find((load) => load.workerId === workerId);
  return { take: { from: 0, to: 0 }, ask: [], withdraw: own === undefined ? 0 : own.leases - own.target };
}

/**
 * Whether an owner should hand a lease over to the worker that asks for it: it leaves, or has two more than the other
 * will have. What it has promised to others already counts.
 */
export function shouldHandOver(
  owner: { leaseCount: number; isLeaving: boolean },
  asker: { leaseCount: number },
  promised: { byOwner: number; toAsker: number },
): boolean {
  if (owner.isLeaving) return true;
  return owner.leaseCount - promised.byOwner >= asker.leaseCount + promised.toAsker + 2;
}

/**
 * Those of a worker's requests that their owners would refuse by what is known of them. Without this, workers that
 * count on each other's leases could ask around in a circle for ever. Pure.
 *
 * @returns the lease keys
 */
export function hopelessRequests(asker: Sharer, sharers: readonly Sharer[]): string[] {
  const hopeless: string[] = [];
  const promises = new Map<string, number>();
  let toAsker = 0;
  for (const [leaseKey, { owner: ownerId, kind }] of asker.requests) {
    if (kind !== 'HAND_OVER') continue;
    const owner = sharers.find(({ workerId }) => workerId === ownerId);
    const byOwner = promises.get(ownerId) ?? 0;
    if (owner === undefined || !shouldHandOver(owner, asker, { byOwner, toAsker })) {
      hopeless.push(leaseKey);
      continue;
    }
    promises.set(ownerId, byOwner + 1);
    toAsker += 1;
  }
  return hopeless;
}

/** The next leases over the target of those that have too many, in one row: units `from` to `to` of it. */
function surplus(loads: readonly Load[], from: number, to: number): Share['ask'] {
  const ask: Array<Share['ask'][number]> = [];
  const rich = loads
    .filter(({ leases, target }) => leases > target)
    .sort((one, other) => other.leases - one.leases || compareText(one.workerId, other.workerId));
  let start = 0;
  for (const { workerId, leases, target } of rich) {
    const end = start + leases - target;
    const skip = Math.max(0, from - start);
    const count = Math.min(end, to) - (start + skip);
    if (count > 0) ask.push({ owner: workerId, skip, count });
    start = end;
  }
  return ask;
}

function targets(sharers: readonly Sharer[], unowned: number): Load[] {
  const leases = new Map(sharers.map(({ workerId, leaseCount }) => [workerId, leaseCount]));
  const add = (workerId: string, count: number) => {
    const before = leases.get(workerId);
    if (before !== undefined) leases.set(workerId, before + count);
  };
  for (const { workerId, requests } of sharers) {
    for (const { owner, kind } of requests.values()) {
      add(owner, -1);
      if (kind === 'HAND_OVER') add(workerId, 1);
    }
  }
  const loads = sharers.map(({ workerId, isLeaving }) => ({
    workerId,
    isLeaving,
    leases: leases.get(workerId) ?? 0,
  }));
  const staying = loads.filter(({ isLeaving }) => !isLeaving);
  const total = loads.reduce((sum, load) => sum + load.leases, unowned);
  const base = Math.floor(total / Math.max(1, staying.length));
  let extra = total - base * staying.length;
  // The one more stays with those that have most: nothing moves for it.
  staying.sort((one, other) => other.leases - one.leases || compareText(one.workerId, other.workerId));
  const target = new Map<string, number>();
  for (const { workerId } of staying) {
    target.set(workerId, base + (extra > 0 ? 1 : 0));
    extra -= 1;
  }
  return loads.map(({ workerId, leases: count }) => ({
    workerId,
    leases: count,
    target: target.get(workerId) ?? 0,
  }));
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : 1;
}

import { type Clock, NEVER, withTimeout } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Holdings } from './holdings.ts';
import { SYNC_LEASE_KEY } from './keys.ts';
import type { Membership } from './membership.ts';
import { paceOf } from './pace.ts';
import type { LeaseTable } from './table.ts';
import type { TableProblems } from './table-problems.ts';

export interface DepartureOptions {
  leases: Pick<LeaseTable, 'get' | 'keysOf' | 'free'>;
  holdings: Holdings;
  membership: Pick<Membership, 'announce' | 'look' | 'leave'>;
  /** Whether there are workers that stay. */
  hasOthers: () => boolean;
  /** Resolves when no lease is being taken any more. */
  rounding: Promise<unknown>;
  workerId: string;
  failoverTimeMillis: number;
  problems: TableProblems;
  clock: Clock;
  log: Logger;
}

/** In parts of the pace. */
const POLL = 1 / 40;
const SWEEP = 1 / 6;
/** Long enough for the others to see that we leave, and for us to see what they ask for. */
const PATIENCE = 1 / 2;
/** Kept for the releases themselves. */
const RELEASE = 1 / 2;
const MIN_FREE_MILLIS = 1000;

/**
 * Leaves the others: hands over what they ask for, lets go of what is left, and gives no more signs of life. The
 * worker is known to be leaving, and takes and asks for nothing any more. Resolves when nothing is held.
 */
export async function depart(options: DepartureOptions, limitMillis: number): Promise<void> {
  const { clock, failoverTimeMillis, hasOthers, holdings, membership, rounding } = options;
  const pace = paceOf(failoverTimeMillis);
  const endsAt = clock.monotonic() + limitMillis;
  /** What is in flight must be done by then. */
  const drainsUntil = endsAt - Math.min(limitMillis / 2, pace * RELEASE);
  const done = new AbortController();
  const sweeping = sweep(options, done.signal);
  await holdings.handOver(SYNC_LEASE_KEY, { type: 'ANYBODY' }, { finishWaiting: false, millis: 0 });
  membership.announce();

  const patience = Math.min(limitMillis / 2, pace * PATIENCE);
  let left = holdings.size;
  let waitUntil = clock.monotonic() + patience;
  while (left > 0 && hasOthers() && clock.monotonic() < waitUntil) {
    membership.look();
    await clock.sleep(pace * POLL, NEVER);
    if (holdings.size < left) waitUntil = Math.min(drainsUntil, clock.monotonic() + patience);
    left = holdings.size;
  }

  await rounding;
  while (holdings.size > 0) {
    const limits = { finishWaiting: false, millis: Math.max(0, drainsUntil - clock.monotonic()) };
    const letGo = holdings
      .leases()
      .map(({ leaseKey }) => holdings.handOver(leaseKey, { type: 'ANYBODY' }, limits));
    await Promise.all(letGo);
    if (holdings.size > 0) await clock.sleep(pace * POLL, NEVER);
  }
  done.abort();
  await sweeping;
  await freeUnheld(options, Math.max(MIN_FREE_MILLIS, endsAt - clock.monotonic()));
  membership.leave();
}

async function sweep(options: DepartureOptions, signal: AbortSignal): Promise<void> {
  const { clock, failoverTimeMillis } = options;
  const pace = paceOf(failoverTimeMillis);
  while (!signal.aborted) {
    await clock.sleep(pace * SWEEP, signal).catch(() => undefined);
    if (!signal.aborted) await freeUnheld(options, pace * SWEEP);
  }
}

/**
 * Lets go of what has come to this worker although it is leaving: by a take whose answer was lost, or handed over by
 * an owner who had not seen it yet.
 */
async function freeUnheld(
  { clock, holdings, leases: table, log, problems, workerId }: DepartureOptions,
  limitMillis: number,
): Promise<void> {
  try {
    await withTimeout(clock, limitMillis, NEVER, async (signal) => {
      const keys = await table.keysOf(workerId, signal);
      const leases = await table.get(
        keys.filter((leaseKey) => !holdings.has(leaseKey)),
        signal,
      );
      for (const lease of leases) {
        if (lease.leaseOwner !== workerId || holdings.has(lease.leaseKey)) continue;
        if (await table.free(lease, {}, signal)) log.info({ streamName: lease.leaseKey }, 'lease released');
      }
    });
  } catch (error) {
    // The others take what is left when they miss us.
    problems.report('leases that came late not released', error);
  }
}

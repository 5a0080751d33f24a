import { type Clock, pauseUnless } from '../core/clock.ts';
import { concurrently } from '../core/concurrently.ts';
import { assertNever } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { Lease, StartPosition } from './lease.ts';
import type { ObservedWorker } from './liveness.ts';
import { reconcile, type Step, type WantedStream } from './reconcile.ts';
import type { LeaseTable } from './table.ts';
import type { TableProblems } from './table-problems.ts';
import type { WorkerTable } from './worker-table.ts';

export interface SynchronizerOptions {
  leases: Pick<LeaseTable, 'scan' | 'create' | 'free' | 'nameStream' | 'delete'>;
  workers: Pick<WorkerTable, 'exists' | 'remove'>;
  /** The streams that there are to be leases for. */
  discover: (signal: AbortSignal) => Promise<{ streams: readonly WantedStream[]; isComplete: boolean }>;
  /** Where a stream without a checkpoint starts. */
  startPosition: () => StartPosition;
  observed: () => readonly ObservedWorker[];
  /** Asks the owner of a lease to retire it. */
  askToRetire: (leaseKey: string, owner: string) => void;
  /** Called when leases have become free. */
  onFreed: () => void;
  /** Asked before each pause, milliseconds. */
  interval: () => number;
  /** Called at each turn of a loop, with the pause until the next one; null when the loop ends. */
  beat: (loop: string, pauseMillis: number | null) => void;
  problems: TableProblems;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** While owners are asked for leases, and after a failure, the next round does not wait for the whole interval. */
const SOON_MILLIS = 5000;
/** A worker that is dead is forgotten after this long: what was being handed over to it has come to it by then. */
const FORGET_MILLIS = 60_000;
/** A look-up may ask each stream of a large account, and no more than 20 a second. */
const LONGEST_LOOK_UP_MILLIS = 15 * 60_000;
const LOOP = 'synchronizing leases';
/** Writes at a time. */
const CONCURRENCY = 20;

/** What the holder of the lease for synchronization does: keeps the set of leases in step with the streams. */
export class Synchronizer {
  readonly #options: SynchronizerOptions;
  /** Owners without an item at the last round. */
  #missing: ReadonlySet<string> = new Set();
  /** Monotonic, by worker id. */
  #deadSince = new Map<string, number>();
  /** At the last look; null before the first. */
  #streamCount: number | null = null;
  #wake = new AbortController();

  constructor(options: SynchronizerOptions) {
    this.#options = options;
  }

  /** Runs until `signal` aborts. A failed round is counted, logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#run(signal);
    } finally {
      this.#options.beat(LOOP, null);
    }
  }

  /** Measures the values of now. To be called at every metrics interval. */
  report(): void {
    const { metrics, observed } = this.#options;
    if (this.#streamCount !== null) metrics.observe('LeaseTotal', null, this.#streamCount);
    const present = observed().filter(({ state, liveness }) => liveness !== 'dead' && !state.isLeaving);
    metrics.observe('Workers', null, present.length);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { beat, clock, interval, metrics, problems } = this.#options;
    while (!signal.aborted) {
      beat(LOOP, LONGEST_LOOK_UP_MILLIS);
      this.#wake = new AbortController();
      let isDone = false;
      const startedAt = clock.monotonic();
      try {
        isDone = await this.#synchronize(signal);
        metrics.count('LeaseSyncs', null);
        metrics.observe('LeaseSyncTime', null, Math.round(clock.monotonic() - startedAt));
      } catch (error) {
        if (signal.aborted) return;
        problems.report('leases not synchronized', error);
      }
      const pause = isDone ? interval() : Math.min(interval(), SOON_MILLIS);
      beat(LOOP, pause);
      await pauseUnless(clock, pause, this.#wake, signal);
    }
  }

  /** Does the next round at once. */
  wake(): void {
    this.#wake.abort();
  }

  /** @returns whether there is nothing to be looked at again soon */
  async #synchronize(signal: AbortSignal): Promise<boolean> {
    const { clock, discover, leases: table, observed, onFreed, problems } = this.#options;
    const { streams, isComplete } = await discover(signal);
    this.#streamCount = streams.length;
    const leases = await table.scan(signal);
    const workers = observed();
    const known = new Set(workers.map(({ state }) => state.workerId));
    const gone = await this.#goneOwners(leases, known, signal);
    const nowMillis = clock.now();
    const isWorker = (workerId: string) => !gone.has(workerId);
    const steps = reconcile({ streams, isComplete, leases, isWorker, nowMillis });
    let failures = 0;
    await concurrently(steps, CONCURRENCY, async (step) => {
      try {
        await this.#take(step, signal);
      } catch (error) {
        // The others are taken all the same.
        signal.throwIfAborted();
        failures += 1;
        problems.report('lease not synchronized', error);
      }
    });
    await this.#forgetWorkers(workers, leases, signal);
    if (
      steps.some(
        ({ type }) => type === 'CREATE' || type === 'REVIVE' || type === 'RESTART' || type === 'FREE',
      )
    ) {
      onFreed();
    }
    return failures === 0 && this.#missing.size === gone.size && !steps.some(({ type }) => type === 'RETIRE');
  }

  async #take(step: Step, signal: AbortSignal): Promise<void> {
    const { askToRetire, clock, leases: table, log, startPosition } = this.#options;
    const streamName = step.type === 'CREATE' ? step.stream.streamName : step.lease.leaseKey;
    switch (step.type) {
      case 'CREATE': {
        const start = startPosition();
        const isCreated = await table.create(streamName, step.stream.streamArn, start, signal);
        if (isCreated) log.info({ streamName, streamArn: step.stream.streamArn, start }, 'lease created');
        break;
      }
      case 'REVIVE':
        if (await table.free(step.lease, { streamArn: step.streamArn }, signal)) {
          log.info(
            { streamName, checkpoint: step.lease.checkpoint },
            'stream is back: it goes on where it was',
          );
        }
        break;
      case 'RESTART': {
        const start = startPosition();
        if (await table.free(step.lease, { streamArn: step.streamArn, start }, signal)) {
          const arns = { before: step.lease.streamArn, streamArn: step.streamArn };
          log.warn(
            { streamName, ...arns, start },
            'stream was created again under its old name: it starts anew',
          );
        }
        break;
      }
      case 'RETIRE':
        if (step.lease.leaseOwner !== null) askToRetire(streamName, step.lease.leaseOwner);
        else if (await table.free(step.lease, { retiredAtMillis: clock.now() }, signal)) {
          log.info({ streamName, checkpoint: step.lease.checkpoint }, 'lease retired');
        }
        break;
      case 'NAME':
        await table.nameStream(streamName, step.streamArn, signal);
        break;
      case 'FREE':
        if (await table.free(step.lease, {}, signal)) {
          log.warn({ streamName, owner: step.lease.leaseOwner }, 'lease freed: its owner is no worker');
        }
        break;
      case 'FORGET':
        if (await table.delete(step.lease, signal)) {
          log.info({ streamName }, 'retired lease deleted after a day');
        }
        break;
      default:
        assertNever(step);
    }
  }

  /** Owners without an item, now and at the last round: they have left, or were forgotten. */
  async #goneOwners(
    leases: readonly Lease[],
    known: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<Set<string>> {
    const owners = new Set(leases.map(({ leaseOwner }) => leaseOwner).filter((owner) => owner !== null));
    const missing = new Set<string>();
    for (const owner of owners) {
      if (!known.has(owner) && !(await this.#options.workers.exists(owner, signal))) missing.add(owner);
    }
    const gone = new Set([...missing].filter((owner) => this.#missing.has(owner)));
    this.#missing = missing;
    return gone;
  }

  /** A worker that is dead and has nothing left will not be missed; if it lives, it comes back by itself. */
  async #forgetWorkers(
    workers: readonly ObservedWorker[],
    leases: readonly Lease[],
    signal: AbortSignal,
  ): Promise<void> {
    const now = this.#options.clock.monotonic();
    const owners = new Set(leases.map(({ leaseOwner }) => leaseOwner));
    const dead = workers.filter(({ state, liveness }) => liveness === 'dead' && !owners.has(state.workerId));
    const since = ({ state: { workerId } }: ObservedWorker) => this.#deadSince.get(workerId) ?? now;
    this.#deadSince = new Map(dead.map((worker) => [worker.state.workerId, since(worker)]));
    for (const worker of dead) {
      if (now - since(worker) < FORGET_MILLIS) continue;
      const { workerId, heartbeat } = worker.state;
      if (await this.#options.workers.remove(workerId, heartbeat, signal)) {
        this.#options.log.info({ deadWorker: workerId }, 'dead worker forgotten');
      }
    }
  }
}

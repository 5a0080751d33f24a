import { resolve } from '../../src/config/resolve.ts';
import { configKeys } from '../../src/config/schema.ts';
import { createLogger } from '../../src/core/log.ts';
import { Metrics } from '../../src/core/metrics.ts';
import { LeaseCoordinator } from '../../src/lease/coordinator.ts';
import type { Holding } from '../../src/lease/holding.ts';
import { SYNC_LEASE_KEY } from '../../src/lease/keys.ts';
import type { Lease } from '../../src/lease/lease.ts';
import type { SamplingPlan } from '../../src/lease/sampling.ts';
import { Synchronizer } from '../../src/lease/synchronizer.ts';
import { LeaseTable } from '../../src/lease/table.ts';
import { TableProblems } from '../../src/lease/table-problems.ts';
import { setUpTable } from '../../src/lease/table-setup.ts';
import { WorkerTable } from '../../src/lease/worker-table.ts';
import type { SampledFrame } from '../../src/stream/sampled-frame.ts';
import { StreamWorker } from '../../src/worker/stream-worker.ts';
import { SyncWorker } from '../../src/worker/sync-worker.ts';
import type { Random } from '../support/random.ts';
import type { SimulatedDynamoDb } from './dynamo-db.ts';
import type { Ledger } from './ledger.ts';
import type { SimulatedStreams } from './streams.ts';
import type { Machine, VirtualTime } from './time.ts';

export const TABLE = 'leases';

export interface SimulatedWorkerOptions {
  time: VirtualTime;
  random: Random;
  machine: Machine;
  dynamoDb: SimulatedDynamoDb;
  streams: SimulatedStreams;
  ledger: Ledger;
  failoverTimeInMilli: number;
  /** What its configuration says now. */
  wantedPlan: () => SamplingPlan;
  /** Is handed the lines of its log, each one JSON object. */
  onLine: (line: string) => void;
  /** Is handed what must not happen. */
  onError: (error: unknown) => void;
}

const LEAVE_MILLIS = 24_000;

/**
 * A worker on a machine of its own: the shipped coordinator, synchronizer, stream workers, keepers, readers and
 * trackers. Only what lies beyond them is simulated: DynamoDB, the streams, and the way from a sampled frame to the
 * data stream.
 */
export class SimulatedWorker {
  readonly machine: Machine;
  readonly #options: SimulatedWorkerOptions;
  readonly #end = new AbortController();
  #coordinator: LeaseCoordinator | null = null;
  #metrics: Metrics | null = null;
  #isLeaving = false;
  #readySince = Number.POSITIVE_INFINITY;
  isGone = false;

  constructor(options: SimulatedWorkerOptions) {
    this.machine = options.machine;
    this.#options = options;
    this.machine.deliver(0, () => {
      void this.#run().catch((error: unknown) => {
        if (!this.#end.signal.aborted) options.onError(error);
      });
    });
  }

  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** Whether it lives, runs, and stays. */
  get isRunning(): boolean {
    return !this.machine.isKilled && !this.machine.isPaused && !this.isGone;
  }

  /** Whether its leases are its own, as far as it knows. */
  get isValid(): boolean {
    return this.#coordinator?.membership.isValid() ?? false;
  }

  /** Since when it has been able to take leases, true time; `Infinity` if it is not. Asked every so often. */
  readySince(now: number): number {
    const isReady = this.isRunning && !this.isLeaving && this.isValid;
    this.#readySince = isReady ? Math.min(this.#readySince, now) : Number.POSITIVE_INFINITY;
    return this.#readySince;
  }

  /** Logs its metrics since the last call. */
  flushMetrics(): void {
    this.#metrics?.flush();
  }

  /** As SIGTERM does. */
  terminate(): void {
    this.#isLeaving = true;
    this.machine.deliver(0, () => void this.#leave().catch(this.#options.onError));
  }

  async #run(): Promise<void> {
    const { dynamoDb, failoverTimeInMilli, wantedPlan, ledger, machine, streams } = this.#options;
    const log = createLogger('info', { write: this.#options.onLine });
    const metrics = new Metrics({ log, clock: machine, appName: 'simulation', perStream: () => false });
    this.#metrics = metrics;
    const problems = new TableProblems({ clock: machine, log, metrics });
    const common = { clock: machine, log, metrics, problems };
    const client = await setUpTable(
      {
        dynamoDb: dynamoDb.client(machine),
        tableName: TABLE,
        create: true,
        onTrouble: () => undefined,
        applicationName: 'simulation',
        requestTimeoutMillis: failoverTimeInMilli / 3,
        clock: machine,
      },
      this.#end.signal,
    );
    const onInvalid = this.#options.onError;
    const leases = new LeaseTable({ client, onInvalid });
    const workers = new WorkerTable({ client, onInvalid });
    const config = resolve(
      configKeys.parse({
        streamNames: ['any'],
        sageMakerEndpoint: 'any',
        kdsStreamName: 'any',
        failoverTimeInMilli,
      }),
    );
    const startPosition = () => ({ type: 'EARLIEST' }) as const;
    const coordinator = new LeaseCoordinator({
      ...common,
      leases,
      workers,
      workerId: machine.id,
      failoverTimeMillis: failoverTimeInMilli,
      beat: () => undefined,
      hold: (lease) =>
        ledger.noted(machine, lease.leaseKey === SYNC_LEASE_KEY ? synchronize(lease) : readStream(lease)),
    });
    this.#coordinator = coordinator;
    const synchronize = (lease: Lease): Holding => {
      const synchronizer = new Synchronizer({
        ...common,
        leases,
        workers,
        discover: async () => ({ streams: streams.wanted, isComplete: true }),
        startPosition,
        observed: () => coordinator.membership.workers(),
        askToRetire: (leaseKey, owner) => coordinator.askToRetire(leaseKey, owner),
        onFreed: () => coordinator.wake(),
        beat: () => undefined,
        interval: () => config.leaseSyncIntervalInMilli,
      });
      return new SyncWorker({ ...common, lease, table: leases, synchronizer });
    };
    const source = streams.source(machine);
    const readStream = (lease: Lease): Holding =>
      new StreamWorker({
        ...common,
        settings: () => config,
        wantedPlan,
        lease,
        wasStalled: false,
        table: leases,
        source,
        startPosition,
        submit: async (frame) => this.#infer(frame),
        onTaken: () => undefined,
        isValid: () => coordinator.membership.isValid(),
        onLost: () => void coordinator.lose(lease.leaseKey),
        onStalled: () => void coordinator.letGo(lease.leaseKey),
      });
    await coordinator.run(this.#end.signal);
  }

  async #leave(): Promise<void> {
    await this.#coordinator?.leave(LEAVE_MILLIS);
    this.#end.abort();
    this.isGone = true;
    this.machine.kill();
  }

  /** A frame waits for its turn, is inferred, and its result put into the data stream. */
  async #infer(frame: SampledFrame): Promise<void> {
    const { machine, random, time, ledger } = this.#options;
    const { tenure } = frame;
    const isInTurn = await this.#pause(random.exponential(500), tenure.draining);
    if (!isInTurn) return frame.abandon();
    if (!(await this.#pause(50 + random.exponential(300), tenure.over))) return frame.abandon();
    if (!tenure.isValid()) return frame.abandon();
    // It lands whatever becomes of the machine meanwhile.
    time.after(5 + random.exponential(20), () => {
      ledger.publish(frame);
      machine.deliver(random.exponential(20), () => frame.settle('PUBLISHED'));
    });
  }

  /** @returns false if the signal aborted before */
  async #pause(millis: number, signal: AbortSignal): Promise<boolean> {
    return await this.machine.sleep(millis, signal).then(
      () => true,
      () => false,
    );
  }
}

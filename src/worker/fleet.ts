import type { Config } from '../config/resolve.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { DiscoveredStream, Discovery } from '../discovery/discovered-stream.ts';
import { LeaseCoordinator } from '../lease/coordinator.ts';
import type { Holding } from '../lease/holding.ts';
import { SYNC_LEASE_KEY } from '../lease/keys.ts';
import type { Lease, StartPosition } from '../lease/lease.ts';
import type { SamplingPlan } from '../lease/sampling.ts';
import { Synchronizer } from '../lease/synchronizer.ts';
import { LeaseTable } from '../lease/table.ts';
import type { TableClient } from '../lease/table-client.ts';
import { TableProblems } from '../lease/table-problems.ts';
import { WorkerTable } from '../lease/worker-table.ts';
import { StreamWorker, type StreamWorkerOptions } from './stream-worker.ts';
import { SyncWorker } from './sync-worker.ts';

export interface FleetOptions {
  /** In force now. The fail-over time is that of the start. */
  config: () => Config;
  /** Fresh in each process. */
  workerId: string;
  client: TableClient;
  /** With connections of its own: signs of life must not wait for others. */
  heartbeatClient: TableClient;
  discover: (signal: AbortSignal) => Promise<Discovery>;
  wantedPlan: (streamName: string) => SamplingPlan | null;
  source: StreamWorkerOptions['source'];
  submit: StreamWorkerOptions['submit'];
  /** Called when the work on a stream starts, with a signal that aborts when it ends. */
  onTaken: (stream: DiscoveredStream, signal: AbortSignal) => void;
  /** Called at each turn of a loop, with the pause until the next one; null when the loop ends. */
  beat: (loop: string, pauseMillis: number | null) => void;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** This worker's part in the fleet: its leases, each with the work on it, and what binds it to the others. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #leases: LeaseTable;
  readonly #workers: WorkerTable;
  readonly #coordinator: LeaseCoordinator;
  readonly #problems: TableProblems;
  /** Streams whose leases were let go because nothing could be read; until they are taken again. */
  readonly #stalled = new Set<string>();
  /** While this worker has the lease for synchronization. */
  #synchronizer: Synchronizer | null = null;

  constructor(options: FleetOptions) {
    const { beat, client, heartbeatClient, config, clock, log, metrics, workerId } = options;
    this.#options = options;
    this.#problems = new TableProblems({ clock, log, metrics });
    const onInvalid = this.#problems.reportItem;
    this.#leases = new LeaseTable({ client, onInvalid });
    this.#workers = new WorkerTable({ client: heartbeatClient, onInvalid });
    this.#coordinator = new LeaseCoordinator({
      leases: this.#leases,
      workers: this.#workers,
      workerId,
      failoverTimeMillis: config().failoverTimeInMilli,
      hold: (lease) => this.#hold(lease),
      beat,
      problems: this.#problems,
      clock,
      log,
      metrics,
    });
  }

  /** Leases of streams that are held. */
  get streamCount(): number {
    return this.#coordinator.streamCount;
  }

  /** Measures the values of now. To be called at every metrics interval. */
  report(): void {
    this.#coordinator.report();
  }

  /** Runs until `signal` aborts. Whatever is held then is ended, not handed over: see `leave`. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#coordinator.run(signal);
  }

  /** Hands over and releases everything; `run` must go on meanwhile. */
  async leave(limitMillis: number): Promise<void> {
    await this.#coordinator.leave(limitMillis);
  }

  /** To be called when the configuration has changed: the streams are looked up at once. */
  configChanged(): void {
    this.#synchronizer?.wake();
  }

  #hold(lease: Lease): Holding {
    return lease.leaseKey === SYNC_LEASE_KEY ? this.#synchronize(lease) : this.#readStream(lease);
  }

  #readStream(lease: Lease): StreamWorker {
    const coordinator = this.#coordinator;
    const { config, onTaken, wantedPlan, ...services } = this.#options;
    return new StreamWorker({
      ...services,
      settings: config,
      wantedPlan: () => wantedPlan(lease.leaseKey),
      problems: this.#problems,
      lease,
      wasStalled: this.#stalled.delete(lease.leaseKey),
      table: this.#leases,
      startPosition: () => this.#startPosition(),
      onTaken: (signal) => onTaken({ streamName: lease.leaseKey, streamArn: lease.streamArn }, signal),
      isValid: () => coordinator.membership.isValid(),
      onLost: () => void coordinator.lose(lease.leaseKey),
      onStalled: () => {
        this.#stalled.add(lease.leaseKey);
        void coordinator.letGo(lease.leaseKey);
      },
    });
  }

  #synchronize(lease: Lease): SyncWorker {
    const coordinator = this.#coordinator;
    this.#synchronizer = new Synchronizer({
      ...this.#options,
      problems: this.#problems,
      leases: this.#leases,
      workers: this.#workers,
      startPosition: () => this.#startPosition(),
      observed: () => coordinator.membership.workers(),
      askToRetire: (leaseKey, owner) => coordinator.askToRetire(leaseKey, owner),
      onFreed: () => coordinator.wake(),
      interval: () => this.#options.config().leaseSyncIntervalInMilli,
    });
    return new SyncWorker({
      lease,
      table: this.#leases,
      synchronizer: this.#synchronizer,
      problems: this.#problems,
      clock: this.#options.clock,
    });
  }

  #startPosition(): StartPosition {
    const { clock, config } = this.#options;
    if (config().startPosition === 'EARLIEST') return { type: 'EARLIEST' };
    return { type: 'SERVER_TIMESTAMP', millis: clock.now() };
  }
}

import { randomUUID } from 'node:crypto';
import { applicationName, leaseTableName, readParameter } from '../config/load.ts';
import type { GoodConfig } from '../config/parse.ts';
import { type Config, selections } from '../config/resolve.ts';
import { watchConfig } from '../config/watch.ts';
import { type Clock, untilAborted } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { defaultQueueBytes } from '../core/memory-limit.ts';
import { Metrics } from '../core/metrics.ts';
import { StreamDiscovery } from '../discovery/discovery.ts';
import { RetentionCheck } from '../discovery/retention-check.ts';
import { TaggedStreams } from '../discovery/tagged-streams.ts';
import { paceOf } from '../lease/pace.ts';
import { TableClient } from '../lease/table-client.ts';
import { setUpTable } from '../lease/table-setup.ts';
import { GetMediaSource } from '../stream/media.ts';
import type { Clients } from './clients.ts';
import { Fleet } from './fleet.ts';
import type { Health } from './health.ts';
import { LateFramePath } from './late-frame-path.ts';
import { SamplingPlans } from './sampling-plans.ts';

export interface WorkerOptions {
  /** What the parameter said at the start. */
  initial: GoodConfig;
  /** Name of the SSM parameter; its last path segment names the application. */
  parameterName: string;
  /** Of the container, or whatever else bounds the process, bytes. */
  memoryLimit: number;
  clients: Clients;
  /** Is told of each turn of a loop. */
  health: Pick<Health, 'beat'>;
  /** Called when everything that is needed at the start has been found. */
  onStarted: () => void;
  /** Loads what frames pass after they are read. */
  loadFramePath?: ConstructorParameters<typeof LateFramePath>[1];
  clock: Clock;
  log: Logger;
}

/** Of the time between SIGTERM and SIGKILL: the rest is for what is in flight to end, and the last lines. */
const LEAVE_FRACTION = 0.8;

/**
 * The service: wires the parts in the order of a frame's way, and stops them in reverse.
 * `run` ends when its signal aborts, with everything that was in flight published, checkpointed and released.
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #discovery: StreamDiscovery;
  readonly #retention: RetentionCheck;
  readonly #plans: SamplingPlans;
  readonly #source: GetMediaSource;
  readonly #frames: LateFramePath;
  readonly #workerId = randomUUID();
  #config: Config;

  constructor(options: WorkerOptions) {
    const { clients, clock, initial, parameterName } = options;
    const appName = applicationName(parameterName);
    const log = options.log.child({ worker: this.#workerId.slice(0, 8) });
    this.#options = options;
    this.#config = initial.config;
    this.#log = log;
    const config = () => this.#config;
    this.#metrics = new Metrics({ log, clock, appName, perStream: () => this.#config.metricsPerStream });
    const common = { config, clock, log, metrics: this.#metrics };

    const lookUps = { ...common, kinesisVideo: clients.kinesisVideo, tagging: clients.tagging };
    this.#discovery = new StreamDiscovery({ ...lookUps, selections: () => selections(this.#config) });
    this.#retention = new RetentionCheck({ ...common, kinesisVideo: clients.kinesisVideo });
    this.#plans = new SamplingPlans({
      ...common,
      beat: (pauseMillis) => options.health.beat('endpoints of the streams', pauseMillis),
      findTagged: (tagFilters) => new TaggedStreams({ ...lookUps, tagFilters }),
    });
    this.#source = new GetMediaSource({ kinesisVideo: clients.kinesisVideo, mediaClient: clients.media });
    this.#frames = new LateFramePath(
      { ...common, clients, queueBytes: () => this.#queueBytes, applicationName: appName },
      options.loadFramePath,
    );
  }

  /**
   * Works until `signal` aborts, then drains.
   *
   * @throws {UsageError} if the lease table is none, or another application's
   * @throws what a loop has failed with, at once: that is a mistake of ours, and nothing more is handed over then
   * @throws why what frames pass cannot be loaded: the leases are handed over, as others may be able to
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clients, clock, health, onStarted, parameterName } = this.#options;
    const table = {
      tableName: leaseTableName(this.#config, parameterName),
      requestTimeoutMillis: Math.round(paceOf(this.#config.failoverTimeInMilli) / 3),
      clock,
    };
    const client = await setUpTable(
      {
        ...table,
        dynamoDb: clients.dynamoDb,
        create: this.#config.createLeaseTable,
        applicationName: applicationName(parameterName),
        onTrouble: (problem) => this.#log.warn(problem),
      },
      signal,
    );
    onStarted();
    const queueBytes = this.#queueBytes;
    this.#log.info({ config: this.#config, queueBytes, workerId: this.#workerId }, 'worker started');
    const fleet = new Fleet({
      config: () => this.#config,
      workerId: this.#workerId,
      client,
      heartbeatClient: new TableClient({ ...table, dynamoDb: clients.heartbeats }),
      discover: (discoverySignal) => this.#discovery.discover(discoverySignal),
      wantedPlan: (streamName) => this.#plans.planFor(streamName),
      source: this.#frames.behind(this.#source),
      submit: (frame, submitSignal) => this.#frames.submit(frame, submitSignal),
      onTaken: (stream, tenure) => void this.#retention.check(stream, tenure),
      beat: (loop, pauseMillis) => health.beat(loop, pauseMillis),
      clock,
      log: this.#log,
      metrics: this.#metrics,
    });
    const end = new AbortController();
    const running = Promise.all([
      fleet.run(end.signal),
      this.#plans.run(end.signal),
      this.#watchConfig(fleet, end.signal),
      this.#writeMetrics(fleet, end.signal),
    ]);
    try {
      await Promise.race([untilAborted(signal), running, this.#frames.failed]);
      this.#log.info({ streams: fleet.streamCount, frames: this.#frames.depth }, 'worker stopping');
      await fleet.leave(this.#config.stopTimeoutInMilli * LEAVE_FRACTION);
    } finally {
      end.abort();
    }
    await running;
    try {
      await this.#frames.close();
    } finally {
      this.#source.close();
      this.#metrics.flush();
    }
    this.#log.info('worker stopped');
  }

  get #queueBytes(): number {
    return this.#config.sageMakerTaskQueueBytes ?? defaultQueueBytes(this.#options.memoryLimit);
  }

  async #watchConfig(fleet: Fleet, signal: AbortSignal): Promise<void> {
    const { clients, clock, health, initial, parameterName } = this.#options;
    const apply = (config: Config) => {
      this.#config = config;
      this.#frames.configure();
      this.#plans.configChanged();
      void this.#retention.configChanged();
      fleet.configChanged();
    };
    const read = (readSignal: AbortSignal) =>
      readParameter(clients.ssm, parameterName, { clock, signal: readSignal });
    const origin = `ssm:${parameterName}`;
    const beat = (pauseMillis: number) => health.beat('configuration', pauseMillis);
    await watchConfig(
      { read, origin, initial, apply, beat, clock, log: this.#log, metrics: this.#metrics },
      signal,
    );
  }

  async #writeMetrics(fleet: Fleet, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#options.health.beat('metrics', this.#config.metricsIntervalInMilli);
      await this.#options.clock.sleep(this.#config.metricsIntervalInMilli, signal).catch(() => undefined);
      this.#frames.report();
      this.#metrics.observe('QueueDepth', null, this.#frames.depth);
      this.#metrics.observe('QueueBytes', null, this.#frames.bytes);
      this.#metrics.observe('LeasesHeld', null, fleet.streamCount);
      fleet.report();
      this.#metrics.flush();
    }
  }
}

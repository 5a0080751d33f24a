import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { applicationName, leaseTableName } from '../config/load.ts';
import type { Config, ContentType } from '../config/schema.ts';
import { type Clock, untilAborted } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { Metrics } from '../core/metrics.ts';
import { StreamDiscovery } from '../discovery/discovery.ts';
import { SageMakerEndpoint } from '../inference/endpoint.ts';
import { InferencePipeline } from '../inference/pipeline.ts';
import { paceOf } from '../lease/pace.ts';
import { TableClient } from '../lease/table-client.ts';
import { setUpTable } from '../lease/table-setup.ts';
import { resultRecord } from '../result/build.ts';
import { ResultPublisher } from '../result/publisher.ts';
import { GetMediaSource } from '../stream/media.ts';
import type { PictureFormat } from '../video/encoder.ts';
import { PicturePool } from '../video/picture-pool.ts';
import type { Clients } from './clients.ts';
import { Fleet } from './fleet.ts';

export interface WorkerOptions {
  config: Config;
  /** Name of the SSM parameter; its last path segment names the application. */
  parameterName: string;
  clients: Clients;
  clock: Clock;
  log: Logger;
}

/** Of the time between SIGTERM and SIGKILL: the rest is for what is in flight to end, and the last lines. */
const LEAVE_FRACTION = 0.8;

const PICTURE_FORMATS: Readonly<Record<ContentType, PictureFormat>> = {
  'image/jpeg': 'jpeg',
  'image/png': 'png',
  'image/bmp': 'bmp',
  'image/gif': 'gif',
  'application/x-image': 'jpeg',
};

/**
 * The service: wires the parts in the order of a frame's way, and stops them in reverse.
 * `run` ends when its signal aborts, with everything that was in flight published, checkpointed and released.
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #source: GetMediaSource;
  readonly #discovery: StreamDiscovery;
  readonly #pictures: PicturePool;
  readonly #pipeline: InferencePipeline;
  readonly #workerId = randomUUID();

  constructor(options: WorkerOptions) {
    const { config, clients, clock, parameterName } = options;
    const appName = applicationName(parameterName);
    const log = options.log.child({ worker: this.#workerId.slice(0, 8) });
    this.#options = options;
    this.#log = log;
    this.#metrics = new Metrics({ log, clock, appName, perStream: config.metricsPerStream });
    const common = { clock, log, metrics: this.#metrics };

    this.#discovery = new StreamDiscovery({
      ...common,
      config,
      kinesisVideo: clients.kinesisVideo,
      tagging: clients.tagging,
    });
    this.#source = new GetMediaSource({ kinesisVideo: clients.kinesisVideo, mediaClient: clients.media });
    this.#pictures = new PicturePool(
      PICTURE_FORMATS[config.endPointAcceptContentType],
      Math.min(availableParallelism(), config.sageMakerTaskThreadPoolSize),
    );
    const publisher = new ResultPublisher({
      ...common,
      kinesis: clients.kinesis,
      streamName: config.kdsStreamName,
    });
    this.#pipeline = new InferencePipeline({
      ...common,
      queueSize: config.sageMakerTaskQueueSize,
      poolSize: config.sageMakerTaskThreadPoolSize,
      poolName: config.sageMakerTaskThreadPoolName,
      pictures: this.#pictures,
      endpoint: new SageMakerEndpoint({
        client: clients.sageMakerRuntime,
        endpointName: config.sageMakerEndpoint,
        contentType: config.endPointAcceptContentType,
        timeoutMillis: config.sageMakerTaskTimeoutInMilli,
        clock,
      }),
      publish: (frame, inference) => publisher.publish(resultRecord(frame, inference), frame.tenure),
    });
  }

  /**
   * Works until `signal` aborts, then drains.
   *
   * @throws {UsageError} if the lease table is none, or another application's
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clients, clock, config, parameterName } = this.#options;
    const table = {
      tableName: leaseTableName(config, parameterName),
      requestTimeoutMillis: Math.round(paceOf(config.failoverTimeInMilli) / 3),
      clock,
    };
    const client = await setUpTable(
      {
        ...table,
        dynamoDb: clients.dynamoDb,
        create: config.createLeaseTable,
        applicationName: applicationName(parameterName),
        onTrouble: (problem) => this.#log.warn(problem),
      },
      signal,
    );
    this.#log.info({ config, workerId: this.#workerId }, 'worker started');
    const fleet = new Fleet({
      config,
      workerId: this.#workerId,
      client,
      heartbeatClient: new TableClient({ ...table, dynamoDb: clients.heartbeats }),
      discover: (discoverySignal) => this.#discovery.discover(discoverySignal),
      source: this.#source,
      submit: (frame, submitSignal) => this.#pipeline.submit(frame, submitSignal),
      clock,
      log: this.#log,
      metrics: this.#metrics,
    });
    const end = new AbortController();
    const running = Promise.all([fleet.run(end.signal), this.#writeMetrics(fleet, end.signal)]);
    await untilAborted(signal);
    this.#log.info({ streams: fleet.streamCount, frames: this.#pipeline.depth }, 'worker stopping');
    await fleet.leave(config.stopTimeoutInMilli * LEAVE_FRACTION);
    end.abort();
    await running;
    await this.#pipeline.close();
    await this.#pictures.onIdle();
    this.#source.close();
    this.#metrics.flush();
    this.#log.info('worker stopped');
  }

  async #writeMetrics(fleet: Fleet, signal: AbortSignal): Promise<void> {
    const { clock, config } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(config.metricsIntervalInMilli, signal).catch(() => undefined);
      this.#pipeline.reportFailures();
      this.#metrics.observe('QueueDepth', null, this.#pipeline.depth);
      this.#metrics.observe('LeasesHeld', null, fleet.streamCount);
      this.#metrics.flush();
    }
  }
}

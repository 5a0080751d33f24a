import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { applicationName, leaseTableName } from '../config/load.ts';
import type { Config, ContentType } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { Metrics } from '../core/metrics.ts';
import { SageMakerEndpoint } from '../inference/endpoint.ts';
import { InferencePipeline } from '../inference/pipeline.ts';
import type { Lease, StartPosition } from '../lease/lease.ts';
import { LeaseTable } from '../lease/table.ts';
import { LeaseTaker } from '../lease/taker.ts';
import { resultRecord } from '../result/build.ts';
import { ResultPublisher } from '../result/publisher.ts';
import { StreamDiscovery } from '../stream/discover.ts';
import { GetMediaSource } from '../stream/media.ts';
import type { PictureFormat } from '../video/encoder.ts';
import { PicturePool } from '../video/picture-pool.ts';
import type { Clients } from './clients.ts';
import { StreamWorker } from './stream-worker.ts';

export interface WorkerOptions {
  config: Config;
  /** Name of the SSM parameter; its last path segment names the application. */
  parameterName: string;
  clients: Clients;
  clock: Clock;
  log: Logger;
}

/** Fargate's default stop timeout is 30 s; what remains is for the last checkpoint and the release. */
const DRAIN_MILLIS = 20_000;
const RELEASE_MILLIS = 5000;

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
  readonly #table: LeaseTable;
  readonly #taker: LeaseTaker;
  readonly #pictures: PicturePool;
  readonly #pipeline: InferencePipeline;
  readonly #streams = new Map<string, StreamWorker>();

  constructor(options: WorkerOptions) {
    const { config, clients, clock, parameterName } = options;
    const appName = applicationName(parameterName);
    const owner = randomUUID();
    const log = options.log.child({ worker: owner.slice(0, 8) });
    this.#options = options;
    this.#log = log;
    this.#metrics = new Metrics({ log, clock, appName, perStream: config.metricsPerStream });
    const common = { clock, log, metrics: this.#metrics };

    this.#table = new LeaseTable({
      dynamoDb: clients.dynamoDb,
      tableName: leaseTableName(config, parameterName),
      clock,
    });
    const discovery = new StreamDiscovery({ ...common, config, tagging: clients.tagging });
    this.#taker = new LeaseTaker({
      ...common,
      table: this.#table,
      owner,
      discover: (signal) => discovery.discover(signal),
      startPosition: () => startPosition(config, clock),
      isHeld: (streamName) => this.#streams.has(streamName),
      onTaken: (lease) => this.#startStream(lease),
      failoverTimeMillis: config.failoverTimeInMilli,
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
      publish: (frame, inference, signal) => publisher.publish(resultRecord(frame, inference), signal),
    });
  }

  /** Works until `signal` aborts, then drains. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#table.ensureTable(signal);
    this.#log.info({ config: this.#options.config }, 'worker started');
    await Promise.all([this.#taker.run(signal), this.#writeMetrics(signal)]);
    await this.#stop();
  }

  async #stop(): Promise<void> {
    this.#log.info({ streams: this.#streams.size, frames: this.#pipeline.depth }, 'worker stopping');
    const streams = [...this.#streams.values()];
    await Promise.all(streams.map((stream) => stream.stopReading()));
    await this.#pipeline.close(DRAIN_MILLIS);
    await Promise.all(streams.map((stream) => stream.release(RELEASE_MILLIS)));
    await this.#pictures.onIdle();
    this.#source.close();
    this.#metrics.flush();
    this.#log.info('worker stopped');
  }

  #startStream(lease: Lease): void {
    const streamName = lease.leaseKey;
    const stream = new StreamWorker({
      config: this.#options.config,
      lease,
      table: this.#table,
      source: this.#source,
      submit: (frame, signal) => this.#pipeline.submit(frame, signal),
      clock: this.#options.clock,
      log: this.#log,
      metrics: this.#metrics,
    });
    this.#streams.set(streamName, stream);
    void stream.ended.then((isOurs) => {
      if (isOurs) return;
      this.#metrics.count('LeasesLost', streamName);
      this.#streams.delete(streamName);
      this.#metrics.remove(streamName);
    });
  }

  async #writeMetrics(signal: AbortSignal): Promise<void> {
    const { clock, config } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(config.metricsIntervalInMilli, signal).catch(() => undefined);
      this.#pipeline.reportFailures();
      this.#metrics.observe('QueueDepth', null, this.#pipeline.depth);
      this.#metrics.observe('LeasesHeld', null, this.#streams.size);
      this.#metrics.flush();
    }
  }
}

function startPosition(config: Config, clock: Clock): StartPosition {
  if (config.startPosition === 'EARLIEST') return { type: 'EARLIEST' };
  return { type: 'SERVER_TIMESTAMP', millis: clock.now() };
}

import { availableParallelism } from 'node:os';
import type { Config } from '../config/resolve.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { ByteBudget } from '../inference/byte-budget.ts';
import { InferencePipeline } from '../inference/pipeline.ts';
import { ResultPublisher } from '../result/publisher.ts';
import { ResultWriter } from '../result/writer.ts';
import type { SampledFrame } from '../stream/sampled-frame.ts';
import { PicturePool } from '../video/picture-pool.ts';
import type { Clients } from './clients.ts';

export interface FramePathOptions {
  /** In force now. */
  config: () => Config;
  /** How many bytes of compressed frames may wait, as it is in force now. */
  queueBytes: () => number;
  applicationName: string;
  clients: Pick<Clients, 'kinesis' | 's3' | 'sageMakerRuntime'>;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** A sampled frame's way from its reader on: it is decoded, an endpoint is asked about it, the result is published. */
export class FramePath {
  readonly #options: FramePathOptions;
  readonly #pictures = new PicturePool(availableParallelism());
  readonly #budget: ByteBudget;
  readonly #pipeline: InferencePipeline;

  constructor(options: FramePathOptions) {
    const { clients, queueBytes } = options;
    this.#options = options;
    const publisher = new ResultPublisher({ ...options, kinesis: clients.kinesis });
    const writer = new ResultWriter({ ...options, publisher, s3: clients.s3 });
    this.#budget = new ByteBudget(queueBytes());
    this.#pipeline = new InferencePipeline({
      ...options,
      budget: this.#budget,
      client: clients.sageMakerRuntime,
      pictures: this.#pictures,
      room: (streamName, signal) => writer.room(streamName, signal),
      write: (frame, outcome) => writer.write(frame, outcome),
    });
  }

  /** Frames that wait or are in flight. */
  get depth(): number {
    return this.#pipeline.depth;
  }

  /** Bytes of these frames, as they were compressed. */
  get bytes(): number {
    return this.#pipeline.bytes;
  }

  /** See `InferencePipeline`. */
  async submit(frame: SampledFrame, signal: AbortSignal): Promise<void> {
    await this.#pipeline.submit(frame, signal);
  }

  /** To be called when the configuration has changed. */
  configure(): void {
    this.#budget.total = this.#options.queueBytes();
    this.#pipeline.configure();
  }

  /** Measures the values of now. To be called at every metrics interval. */
  report(): void {
    this.#pipeline.report();
  }

  /** Resolves when no frame is inside any more; it is for the tenures to see to that. */
  async close(): Promise<void> {
    await this.#pipeline.close();
    await this.#pictures.onIdle();
  }
}

import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import type { Config } from '../config/resolve.ts';
import { errorName } from '../core/errors.ts';
import { type FrameEnd, producerMillisOf, type SampledFrame } from '../stream/sampled-frame.ts';
import type { ByteShare } from './byte-budget.ts';
import { DropLog } from './drops.ts';
import { EndpointControl } from './endpoint-control.ts';
import { FailureLog } from './failures.ts';
import type { FailedInference, Inference } from './inference.ts';
import { ageOf, Inquiry, type InquiryConfig, type InquiryOptions, identityOf } from './inquiry.ts';
import { FrameQueue, type Place, type QueueLimits } from './queue.ts';

export type PipelineConfig = InquiryConfig &
  Pick<
    Config,
    | 'endpoints'
    | 'queueFullPolicy'
    | 'maxWaitingFramesPerStream'
    | 'sageMakerTaskQueueSize'
    | 'sageMakerTaskThreadPoolSize'
    | 'publishFailures'
  >;

export interface EndpointPipelineOptions extends Omit<InquiryOptions, 'config' | 'control'> {
  /** In force now. */
  config: () => PipelineConfig;
  /** Its part of the bytes that all queues hold. */
  share: ByteShare;
  /**
   * Resolves when the result, or that there is none, is published.
   *
   * @throws {KvsInferenceError} TENURE_OVER if it may not be published any more
   */
  write: (frame: SampledFrame, outcome: Inference | FailedInference) => Promise<void>;
}

/** Pictures of an endpoint that are made before there is a call for them: as many in the making, and as many ready. */
const MAX_AHEAD = 2 * availableParallelism();

/**
 * A sampled frame's way to one endpoint: wait for a slot, decode, ask, publish, settle. A frame that fails for good, or
 * is dropped to stay fresh, is counted, logged and settled too. One that is given up with its tenure is abandoned: the
 * checkpoint stays before it, and whoever holds the lease next reads it again.
 */
export class EndpointPipeline {
  readonly #options: EndpointPipelineOptions;
  readonly #queue: FrameQueue;
  readonly #control: EndpointControl;
  readonly #inquiry: Inquiry;
  readonly #drops: DropLog;
  readonly #failures: FailureLog;

  constructor(options: EndpointPipelineOptions) {
    const { clock, config, endpoint, metrics, share } = options;
    const log = options.log.child({ endpoint: endpoint.name });
    this.#options = { ...options, log };
    const { sageMakerTaskThreadPoolSize: concurrency } = config();
    this.#queue = new FrameQueue({ limits: this.#limits(), concurrency, budget: share });
    this.#control = new EndpointControl({
      queue: this.#queue,
      maxConcurrency: concurrency,
      clock,
      log,
      metrics,
    });
    this.#inquiry = new Inquiry({ ...options, log, control: this.#control });
    this.#drops = new DropLog({ clock, log, metrics });
    this.#failures = new FailureLog({ clock, log, metrics });
    this.configure();
  }

  /** Frames that wait or are in flight. */
  get depth(): number {
    return this.#queue.depth;
  }

  /** Whether no frame is inside, nor waits to get in. */
  get isIdle(): boolean {
    return this.#queue.isIdle;
  }

  /** To be called when the configuration has changed. */
  configure(): void {
    this.#queue.configure(this.#limits());
    const { sageMakerTaskThreadPoolSize: maxConcurrency, queueFullPolicy } = this.#options.config();
    // Where fresh answers matter more, no picture waits and grows old.
    const ahead = queueFullPolicy === 'block' ? MAX_AHEAD : 0;
    this.#control.configure({ maxConcurrency, isWanted: this.#inquiry.isConfigured, ahead });
  }

  /** See InferencePipeline.submit. */
  async submit(frame: SampledFrame, signal: AbortSignal): Promise<void> {
    const { draining, over } = frame.tenure;
    // Each of a stream's frames that are inside listens to them, which is no leak.
    setMaxListeners(Number.POSITIVE_INFINITY, signal, draining, over);
    const { streamName, payload } = frame;
    const run = (place: Place) => this.#run(frame, place);
    await this.#queue.enter({ streamName, bytes: payload.length, draining, run }, signal);
  }

  /** Measures the values of now. */
  report(): void {
    this.#options.metrics.observe('ConcurrencyLimit', null, this.#control.concurrency);
  }

  /** Resolves when no frame is inside any more; it is for the tenures to see to that. Writes the last lines. */
  async close(): Promise<void> {
    await this.#queue.onIdle();
    this.#control.close();
    this.#drops.flush();
    this.#failures.flush();
    this.#options.share.close();
  }

  async #run(frame: SampledFrame, place: Place): Promise<void> {
    const end = await this.#bringToEnd(frame, place);
    if (end === null) this.#abandon(frame);
    else frame.settle(end);
  }

  /** Never rejects. @returns null for a frame that is given up with its tenure */
  async #bringToEnd(frame: SampledFrame, place: Place): Promise<FrameEnd | null> {
    const { tenure } = frame;
    try {
      const outcome = await this.#inquiry.infer(frame, place);
      if (!tenure.isValid()) return null;
      return 'error' in outcome ? await this.#fail(frame, outcome) : await this.#publish(frame, outcome);
    } catch (error) {
      const name = errorName(error);
      if (name === 'DRAINING' || name === 'TENURE_OVER' || tenure.over.aborted || !tenure.isValid()) {
        return null;
      }
      if (name === 'DROPPED' || name === 'TOO_OLD') {
        this.#drops.add(frame, name === 'DROPPED' ? 'QUEUE_FULL' : 'TOO_OLD');
        return 'DROPPED';
      }
      this.#failures.add(frame, { error, attempts: 0 });
      return 'FAILED';
    }
  }

  async #publish(frame: SampledFrame, inference: Inference): Promise<FrameEnd> {
    const { write, clock, metrics } = this.#options;
    const { streamName } = frame;
    await write(frame, inference);
    this.#failures.succeeded();
    metrics.count('ResultsPublished', streamName);
    metrics.observe('IngestToProcessLatency', streamName, ageOf(frame, clock));
    const producerMillis = producerMillisOf(frame);
    if (producerMillis !== null) {
      const latency = Math.max(0, Math.round(clock.now() - producerMillis));
      metrics.observe('ProducerToProcessLatency', streamName, latency);
    }
    return 'PUBLISHED';
  }

  async #fail(frame: SampledFrame, failed: FailedInference): Promise<FrameEnd> {
    if (this.#options.config().publishFailures) await this.#options.write(frame, failed);
    this.#failures.add(frame, failed);
    return 'FAILED';
  }

  #abandon(frame: SampledFrame): void {
    this.#options.metrics.count('FramesHandedOver', frame.streamName);
    this.#options.log.debug(identityOf(frame), 'frame handed over');
    frame.abandon();
  }

  #limits(): QueueLimits {
    const { sageMakerTaskQueueSize, maxWaitingFramesPerStream, queueFullPolicy } = this.#options.config();
    return {
      size: sageMakerTaskQueueSize,
      maxWaitingPerStream: maxWaitingFramesPerStream,
      fullPolicy: queueFullPolicy,
    };
  }
}

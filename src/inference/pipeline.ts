import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { Clock } from '../core/clock.ts';
import { errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { SampledFrame } from '../stream/sampled-frame.ts';
import type { Picture } from '../video/encoder.ts';
import type { PicturePool } from '../video/picture-pool.ts';
import type { Answer, SageMakerEndpoint } from './endpoint.ts';
import { FailureLog } from './failures.ts';
import { FrameQueue, type InSlot } from './queue.ts';

/** What the model said of a frame. */
export interface Inference {
  /** What it was shown. */
  readonly picture: Picture;
  readonly answer: Answer;
  readonly endpoint: string;
}

export interface PipelineOptions {
  queueSize: number;
  poolSize: number;
  /** `%d` is replaced by the slot's number. */
  poolName: string;
  pictures: PicturePool;
  endpoint: SageMakerEndpoint;
  /**
   * Resolves when the result is published.
   *
   * @throws {KvsInferenceError} TENURE_OVER if it may not be published any more
   */
  publish: (frame: SampledFrame, inference: Inference) => Promise<void>;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/**
 * A sampled frame's way: wait for a slot, decode, ask the endpoint, publish, settle. A frame that fails for good is
 * counted, logged and settled too. One that is given up with its tenure is abandoned: the checkpoint stays before it,
 * and whoever holds the lease next reads it again.
 */
export class InferencePipeline {
  readonly #options: PipelineOptions;
  readonly #queue: FrameQueue;
  readonly #failures: FailureLog;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#queue = new FrameQueue({ size: options.queueSize, concurrency: options.poolSize });
    this.#failures = new FailureLog({
      log: options.log,
      clock: options.clock,
      endpoint: options.endpoint.name,
    });
  }

  /** Sampled frames that wait or are in flight. */
  get depth(): number {
    return this.#queue.depth;
  }

  /**
   * Resolves when the frame is in the queue; waits while that is full. From then on, exactly one of its `settle` and
   * `abandon` is called, once.
   *
   * @throws the reason of `signal`, or of the tenure's `draining`, if it aborts before
   */
  async submit(frame: SampledFrame, signal: AbortSignal): Promise<void> {
    const run = async (inSlot: InSlot) => {
      if (await this.#process(frame, inSlot)) frame.settle();
      else this.#abandon(frame);
    };
    const { draining, over } = frame.tenure;
    // Each of a stream's frames that are inside listens to them, which is no leak.
    setMaxListeners(Number.POSITIVE_INFINITY, draining, over);
    await this.#queue.enter({ draining, run }, signal);
  }

  /** Writes the lines on failed frames that are due. */
  reportFailures(): void {
    this.#failures.flushDue();
  }

  /** Resolves when no frame is inside any more; it is for the tenures to see to that. Writes the last lines. */
  async close(): Promise<void> {
    await this.#queue.onIdle();
    this.#failures.flush();
  }

  /** @returns whether the frame is done, published or failed; false if it was given up with its tenure */
  async #process(frame: SampledFrame, inSlot: InSlot): Promise<boolean> {
    const { tenure } = frame;
    try {
      const inference = await inSlot((slot) => this.#infer(frame, slot));
      if (inference === null || !tenure.isValid()) return false;
      await this.#publish(frame, inference);
    } catch (error) {
      if (errorName(error) === 'TENURE_OVER' || tenure.over.aborted || !tenure.isValid()) return false;
      this.#reportFailure(frame, error);
    }
    return true;
  }

  async #infer(frame: SampledFrame, slot: number): Promise<Inference> {
    const { pictures, endpoint, metrics, log, poolName } = this.#options;
    const { streamName, fragment, tenure } = frame;
    const details = {
      streamName,
      fragmentNumber: fragment.fragmentNumber,
      frameIndex: frame.frame.index,
      slot: poolName.replace('%d', String(slot)),
    };
    const picture = await pictures.picture(frame.codec, frame.payload);
    tenure.over.throwIfAborted();
    metrics.count('FramesSent', streamName);
    const answer = await endpoint.invoke(
      {
        body: picture.data,
        inferenceId: createHash('sha256').update(frame.id).digest('hex'),
        customAttributes: `id=${frame.id}`,
        onRetry: (error, attempt, delayMillis) => {
          metrics.count('InvocationRetries', streamName);
          log.warn(
            { ...details, error: errorName(error), attempt, delayMillis },
            'invocation failed, trying again',
          );
        },
      },
      tenure.over,
    );
    metrics.count('FramesSucceeded', streamName);
    metrics.observe('InvocationLatency', streamName, answer.inferenceMillis);
    log.debug({ ...details, inferenceMillis: answer.inferenceMillis }, 'inferred');
    return { picture, answer, endpoint: endpoint.name };
  }

  async #publish(frame: SampledFrame, inference: Inference): Promise<void> {
    const { publish, clock, metrics } = this.#options;
    const { streamName, fragment } = frame;
    await publish(frame, inference);
    metrics.count('ResultsPublished', streamName);
    const age = clock.now() - fragment.serverTimestampMillis - frame.frame.offsetMillis;
    metrics.observe('IngestToProcessLatency', streamName, Math.max(0, Math.round(age)));
  }

  #abandon(frame: SampledFrame): void {
    this.#options.metrics.count('FramesHandedOver', frame.streamName);
    this.#options.log.debug({ id: frame.id }, 'frame handed over');
    frame.abandon();
  }

  #reportFailure(frame: SampledFrame, error: unknown): void {
    this.#options.metrics.count('FramesFailed', frame.streamName);
    this.#failures.add(error, frame.id);
    this.#options.log.debug({ id: frame.id, err: error }, 'frame failed');
  }
}

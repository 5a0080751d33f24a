import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { SampledFrame } from '../stream/sampled-frame.ts';
import type { Picture } from '../video/encoder.ts';
import type { PicturePool } from '../video/picture-pool.ts';
import type { Answer, SageMakerEndpoint } from './endpoint.ts';
import { FailureLog } from './failures.ts';
import { FrameQueue } from './queue.ts';

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
  /** Resolves when the result is published. */
  publish: (frame: SampledFrame, inference: Inference, signal: AbortSignal) => Promise<void>;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/**
 * A sampled frame's way: wait for a slot, decode, ask the endpoint, publish, settle. A frame that fails for good is
 * counted, logged and settled too. One that is given up at the end of the process is not settled: the checkpoint
 * stays before it, and whoever holds the lease next reads it again.
 */
export class InferencePipeline {
  readonly #options: PipelineOptions;
  readonly #queue: FrameQueue;
  readonly #failures: FailureLog;
  readonly #stop = new AbortController();

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

  /** Resolves when the frame is in the queue; waits while that is full. */
  async submit(frame: SampledFrame, signal: AbortSignal): Promise<void> {
    await this.#queue.enter(
      {
        inSlot: (slot) => this.#infer(frame, slot),
        after: (inference) => this.#publish(frame, inference),
      },
      signal,
    );
  }

  /** Writes the lines on failed frames that are due. */
  reportFailures(): void {
    this.#failures.flushDue();
  }

  /**
   * Drops the frames that wait for a slot and gives those in flight `limitMillis`. Resolves when nothing is under way
   * any more.
   */
  async close(limitMillis: number): Promise<void> {
    this.#queue.clear();
    const idle = new AbortController();
    this.#options.clock.sleep(limitMillis, idle.signal).then(
      () => this.#stop.abort(),
      () => undefined,
    );
    await this.#queue.onIdle();
    idle.abort();
    this.#failures.flush();
  }

  /** @returns null if the frame was given up */
  async #infer(frame: SampledFrame, slot: number): Promise<Inference | null> {
    const { pictures, endpoint, metrics, log, poolName } = this.#options;
    const { streamName, fragment } = frame;
    const details = {
      streamName,
      fragmentNumber: fragment.fragmentNumber,
      frameIndex: frame.frame.index,
      slot: poolName.replace('%d', String(slot)),
    };
    try {
      const picture = await pictures.picture(frame.codec, frame.payload);
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
        this.#stop.signal,
      );
      metrics.count('FramesSucceeded', streamName);
      metrics.observe('InvocationLatency', streamName, answer.inferenceMillis);
      log.debug({ ...details, inferenceMillis: answer.inferenceMillis }, 'inferred');
      return { picture, answer, endpoint: endpoint.name };
    } catch (error) {
      this.#giveUp(frame, error);
      return null;
    }
  }

  async #publish(frame: SampledFrame, inference: Inference | null): Promise<void> {
    if (inference === null) return;
    const { publish, clock, metrics } = this.#options;
    const { streamName, fragment } = frame;
    try {
      await publish(frame, inference, this.#stop.signal);
      metrics.count('ResultsPublished', streamName);
      const age = clock.now() - fragment.serverTimestampMillis - frame.frame.offsetMillis;
      metrics.observe('IngestToProcessLatency', streamName, Math.max(0, Math.round(age)));
      frame.settle();
    } catch (error) {
      this.#giveUp(frame, error);
    }
  }

  #giveUp(frame: SampledFrame, error: unknown): void {
    // Not settled: whoever holds the lease next reads the frame again.
    if (this.#stop.signal.aborted) return;
    this.#options.metrics.count('FramesFailed', frame.streamName);
    this.#failures.add(error, frame.id);
    this.#options.log.debug({ id: frame.id, err: error }, 'frame failed');
    frame.settle();
  }
}

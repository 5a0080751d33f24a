import type { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import type { Config, EndpointConfig } from '../config/resolve.ts';
import type { ContentType } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName, KvsInferenceError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { SampledEndpoint } from '../lease/sampling.ts';
import { type SampledFrame, serverMillisOf } from '../stream/sampled-frame.ts';
import type { Picture, PictureFormat } from '../video/encoder.ts';
import type { PicturePool } from '../video/picture-pool.ts';
import { type EndpointSettings, SageMakerEndpoint } from './endpoint.ts';
import type { EndpointControl } from './endpoint-control.ts';
import { type CallOutcome, FrameCalls } from './frame-calls.ts';
import type { FailedInference, Inference } from './inference.ts';
import { customAttributes, inferenceId } from './invocation.ts';
import { GivenUpError, type Place, type SlotOptions } from './queue.ts';

export type InquiryConfig = Pick<
  Config,
  | 'endpoints'
  | 'mode'
  | 'maxFrameAgeInMilli'
  | 'sageMakerTaskThreadPoolName'
  | 'sageMakerTaskTimeoutInMilli'
  | 'sageMakerMaxAttempts'
  | 'sageMakerMaxPayloadBytes'
  | 'sageMakerTargetVariant'
  | 'sageMakerTargetModel'
  | 'sageMakerInferenceComponent'
  | 'imageMaxWidth'
  | 'imageMaxHeight'
  | 'imageQuality'
>;

export interface InquiryOptions {
  /** In force now. */
  config: () => InquiryConfig;
  endpoint: SampledEndpoint;
  control: EndpointControl;
  client: Pick<SageMakerRuntimeClient, 'send'>;
  pictures: PicturePool;
  /** Waits while too many results, or too many of the stream, wait to be published. @throws the reason of `signal` */
  room: (streamName: string, signal: AbortSignal) => Promise<void>;
  clock: Clock;
  /** Names the endpoint in its lines. */
  log: Logger;
  metrics: Metrics;
}

export const PICTURE_FORMATS: Readonly<Record<ContentType, PictureFormat>> = {
  'image/jpeg': 'jpeg',
  'image/png': 'png',
  'image/bmp': 'bmp',
  'image/gif': 'gif',
  'application/x-image': 'jpeg',
};

interface Turn {
  readonly slot: number;
  /** When the frame came, monotonic milliseconds. */
  readonly since: number;
}

/** What came of a frame's turn. */
type TurnEnd =
  | { readonly type: 'inference'; readonly inference: Inference | FailedInference }
  | Extract<CallOutcome<never>, { type: 'retry' }>
  /** The endpoint gets no calls: the picture is given up, and made again at the next turn. */
  | { readonly type: 'sentAway' };

/** What is done with a frame in its slots: it is decoded, and the endpoint asked about it, until there is an answer. */
export class Inquiry {
  readonly #options: InquiryOptions;
  readonly #endpoint: SageMakerEndpoint;

  constructor(options: InquiryOptions) {
    this.#options = options;
    this.#endpoint = new SageMakerEndpoint({
      client: options.client,
      name: options.endpoint.name,
      acceptContentType: options.endpoint.acceptContentType,
      settings: () => this.#endpointSettings(),
      clock: options.clock,
    });
  }

  /** What was sampled for an endpoint is still sent to it when it is configured no more, unless it is down for long. */
  get isConfigured(): boolean {
    return this.#configured !== undefined;
  }

  get #configured(): EndpointConfig | undefined {
    const { config, endpoint } = this.#options;
    return config().endpoints.find(({ name }) => name === endpoint.name);
  }

  /**
   * Asks until there is an answer, or it is certain that there will be none.
   *
   * @throws GivenUpError; TOO_OLD; what the tenure's `over` aborts with
   */
  async infer(frame: SampledFrame, place: Place): Promise<Inference | FailedInference> {
    const { clock, config, control, log, metrics, room } = this.#options;
    const { streamName } = frame;
    const settings = () => {
      const { sageMakerMaxAttempts: maxAttempts, mode } = config();
      return { maxAttempts, isLossless: mode === 'lossless' };
    };
    const calls = new FrameCalls({ control, streamName, settings, clock, metrics });
    const since = clock.monotonic();
    const turn = (slot: number) => this.#turn(frame, calls, { slot, since });
    let options: SlotOptions = { delay: (signal) => room(streamName, signal) };
    for (;;) {
      const end = await place.inSlot(turn, options);
      if (end.type === 'inference') return end.inference;
      if (end.type === 'sentAway') {
        options = { first: true };
        continue;
      }
      const { error, attempts, delayMillis } = end;
      log.warn(
        { ...identityOf(frame), error: errorName(error), attempts, delayMillis },
        `invocation failed, trying again: ${errorMessage(error)}`,
      );
      options = {
        // While the endpoint is down others have their turn first: it may be this frame that it fails on.
        first: control.isClosed,
        delay: (signal) => clock.sleep(delayMillis, signal),
      };
    }
  }

  /** @throws GivenUpError; {KvsInferenceError} TOO_OLD; what the tenure's `over` aborts with */
  async #turn(frame: SampledFrame, calls: FrameCalls, { slot, since }: Turn): Promise<TurnEnd> {
    const { clock, control, metrics } = this.#options;
    const { draining, over } = frame.tenure;
    const startedAt = clock.monotonic();
    const failed = (error: unknown): TurnEnd => ({
      type: 'inference',
      inference: { error, attempts: calls.attempts, picture: null },
    });
    const waited = (millis: number) => {
      if (calls.attempts === 0) metrics.observe('QueueWait', frame.streamName, Math.round(millis));
    };
    this.#checkAge(frame, () => waited(startedAt - since));
    if (control.isGivenUp) return failed(this.#givenUp());
    let picture: Picture;
    try {
      picture = await this.#picture(frame);
    } catch (error) {
      return failed(error);
    }
    over.throwIfAborted();
    const readyAt = clock.monotonic();
    const hasPassed = await control.gate.pass(draining).catch(() => {
      throw new GivenUpError('DRAINING');
    });
    if (!hasPassed) return { type: 'sentAway' };
    try {
      waited(startedAt - since + clock.monotonic() - readyAt);
      this.#checkAge(frame);
      return await this.#ask(frame, picture, calls, slot);
    } finally {
      control.gate.leave();
    }
  }

  async #ask(frame: SampledFrame, picture: Picture, calls: FrameCalls, slot: number): Promise<TurnEnd> {
    const { config, log, metrics } = this.#options;
    const { streamName, tenure } = frame;
    if (calls.attempts === 0) metrics.count('FramesSent', streamName);
    const invocation = {
      body: picture.data,
      inferenceId: inferenceId(frame.id),
      customAttributes: customAttributes(frame),
    };
    const outcome = await calls.attempt(() => this.#endpoint.invoke(invocation, tenure.over), tenure.over);
    if (outcome.type === 'retry') return outcome;
    const { data: _, ...sent } = picture;
    if (outcome.type === 'failed') {
      const { error, attempts } = outcome;
      return { type: 'inference', inference: { error, attempts, picture: sent } };
    }
    const { answer } = outcome;
    metrics.count('FramesSucceeded', streamName);
    metrics.observe('InvocationLatency', streamName, answer.inferenceMillis);
    const slotName = config().sageMakerTaskThreadPoolName.replace('%d', String(slot));
    log.debug({ ...identityOf(frame), slot: slotName, inferenceMillis: answer.inferenceMillis }, 'inferred');
    return { type: 'inference', inference: { picture: sent, answer } };
  }

  /** Decodes again at each attempt: a frame that waits is to hold its compressed bytes and no more. */
  async #picture(frame: SampledFrame): Promise<Picture> {
    const { config, endpoint, metrics, pictures } = this.#options;
    const { imageMaxWidth, imageMaxHeight, imageQuality, sageMakerMaxPayloadBytes } = config();
    const picture = await pictures.picture(frame.codec(), frame.payload, {
      format: PICTURE_FORMATS[endpoint.acceptContentType],
      maxWidth: imageMaxWidth ?? null,
      maxHeight: imageMaxHeight ?? null,
      quality: imageQuality,
      maxBytes: sageMakerMaxPayloadBytes,
    });
    if (picture.reduced !== null) metrics.count('PicturesReduced', frame.streamName);
    return picture;
  }

  #givenUp(): KvsInferenceError {
    const { name } = this.#options.endpoint;
    return new KvsInferenceError('ENDPOINT_GIVEN_UP', `endpoint "${name}" is down, and configured no more`);
  }

  #checkAge(frame: SampledFrame, onTooOld?: () => void): void {
    const { maxFrameAgeInMilli: maxAge } = this.#options.config();
    const age = ageOf(frame, this.#options.clock);
    if (maxAge === 0 || age <= maxAge) return;
    onTooOld?.();
    throw new KvsInferenceError('TOO_OLD', `frame is ${age} ms old`);
  }

  #endpointSettings(): EndpointSettings {
    const { sageMakerTaskTimeoutInMilli: timeoutMillis, ...keys } = this.#options.config();
    // One that is no longer configured is asked as one that says nothing of its own.
    const own = this.#configured;
    return {
      timeoutMillis,
      targetVariant: own?.targetVariant ?? keys.sageMakerTargetVariant ?? null,
      targetModel: own?.targetModel ?? keys.sageMakerTargetModel ?? null,
      inferenceComponent: own?.inferenceComponent ?? keys.sageMakerInferenceComponent ?? null,
    };
  }
}

/** Milliseconds since the frame reached Kinesis Video Streams, as far as the clocks agree. */
export function ageOf(frame: SampledFrame, clock: Clock): number {
  return Math.max(0, Math.round(clock.now() - serverMillisOf(frame)));
}

/** What a line on a frame says of it. */
export function identityOf({ id, streamName, fragment, frame }: SampledFrame) {
  return { id, streamName, fragmentNumber: fragment.fragmentNumber, frameIndex: frame.index };
}

import { createHash } from 'node:crypto';
import { KvsInferenceError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { Checkpoint, CheckpointTracker } from '../lease/checkpoint.ts';
import type { StartPosition } from '../lease/lease.ts';
import type { SampledEndpoint, SamplingPlan } from '../lease/sampling.ts';
import type { MatroskaEvent } from '../matroska/demuxer.ts';
import type { FragmentMetadata } from '../matroska/fragment.ts';
import type { Frame, FrameHeader } from '../matroska/frame.ts';
import type { Track } from '../matroska/tracks.ts';
import { type CodecParameters, codecParameters } from '../video/codec.ts';
import { isSampled, videoTrack } from '../video/sampler.ts';
import { GapLog } from './gap-log.ts';
import type { LiveStart } from './live-start.ts';
import { InStreamError } from './reading-failure.ts';
import {
  type FrameEnd,
  frameId,
  isStreamFragment,
  type SampledFrame,
  type StreamFragment,
  type Tenure,
} from './sampled-frame.ts';
import type { StreamSampling } from './sampling.ts';
import type { StreamAges } from './stream-ages.ts';

export interface FragmentReaderOptions {
  streamName: string;
  start: StartPosition;
  tracker: CheckpointTracker;
  tenure: Tenure;
  sampling: Pick<StreamSampling, 'planFor' | 'fragmentEnded'>;
  liveStart: LiveStart;
  ages: StreamAges;
  /** Resolves when the frame is taken; until then nothing more is read. Rejects when `signal` aborts. */
  submit: (frame: SampledFrame, signal: AbortSignal) => Promise<void>;
  log: Logger;
  metrics: Metrics;
}

/** What nothing more is read for: a plan for the next fragment, or room for the last frame. */
export type AwaitedThing = 'PLAN' | 'ROOM';

/** How the reader waits for something else than bytes: whoever watches the connection is to know. */
export type Wait = <T>(thing: AwaitedThing, operation: () => Promise<T>) => Promise<T>;

/** The fragment whose frames are being read. */
interface OpenFragment {
  readonly fragment: StreamFragment;
  readonly video: { readonly trackNumber: number; readonly codec: () => CodecParameters } | null;
  readonly plan: SamplingPlan;
  /** I-frames of the stream up to here, this fragment's included. */
  iFrameCounter: number;
  iFrames: number;
}

/**
 * Turns what a stream's bodies hold into sampled frames, fragment by fragment.
 *
 * A fragment counts as seen only with its trailing tags. A cut one is read again with the I-frame counter set back,
 * so that the same frames are sampled; frames of it that were handed on already are not handed on twice, unless their
 * bytes are others now: what ended the first reading may have damaged them, too. One counter serves all endpoints of
 * the stream.
 */
export class FragmentReader {
  readonly #options: FragmentReaderOptions;
  readonly #gaps: GapLog;
  #lastFragment: Checkpoint | null;
  #open: OpenFragment | null = null;

  constructor(options: FragmentReaderOptions) {
    this.#options = options;
    this.#gaps = new GapLog(options);
    this.#lastFragment = options.tracker.checkpoint;
  }

  /** The last fragment that was read completely, which is ahead of what is done; null before the first. */
  get lastFragment(): Checkpoint | null {
    return this.#lastFragment;
  }

  /** The fragment that is being read, or was when its body ended; null between two. */
  get openFragment(): StreamFragment | null {
    return this.#open?.fragment ?? null;
  }

  /** A new body begins, after the last complete fragment or anywhere before it. */
  startBody(): void {
    this.#open = null;
  }

  /**
   * Whether a frame is sampled. It counts the I-frames, and is asked for each frame once, in order; of the others
   * nothing is read but this.
   */
  wants({ trackNumber, keyFrame }: FrameHeader): boolean {
    const open = this.#open;
    if (open === null || trackNumber !== open.video?.trackNumber || !keyFrame) return false;
    open.iFrames += 1;
    open.iFrameCounter += 1;
    return endpointsFor(open).length > 0;
  }

  /**
   * Frames come when `wants` has just said so.
   *
   * @returns where the next event has to wait, a promise, which rejects with the reason of `signal`
   * @throws {KvsInferenceError} NO_TRAILING_TAGS for a fragment that ended without them
   * @throws {InStreamError}
   */
  read(event: MatroskaEvent, signal: AbortSignal, wait: Wait): Promise<void> | undefined {
    switch (event.type) {
      case 'fragmentStart':
        return this.#startFragment(event.fragment, videoTrack(event.tracks), signal, wait);
      case 'frame':
        return this.#readFrame(event.frame, signal, wait);
      case 'fragmentEnd':
        this.#endFragment(event);
        return undefined;
      case 'error':
        this.#options.metrics.count('StreamErrors', this.#options.streamName);
        throw new InStreamError(event.code, event.message, { details: { offset: event.offset } });
    }
  }

  /** The service no longer has what follows the last complete fragment. */
  openGap(): void {
    this.#gaps.open(this.#lastFragment, null);
  }

  /** Gives up the open fragment, which cannot be read to its end. What of it was handed on stays so. */
  skipOpenFragment(): void {
    if (this.#open === null) return;
    const { fragment, iFrameCounter } = this.#open;
    this.#open = null;
    this.#options.log.warn({ fragmentNumber: fragment.fragmentNumber }, 'unreadable fragment skipped');
    this.#options.liveStart.fragmentRead(fragment, null);
    this.#gaps.open(this.#lastFragment, fragment.fragmentNumber);
    this.#advance(fragment, iFrameCounter);
  }

  async #startFragment(
    metadata: FragmentMetadata,
    track: Track | null,
    signal: AbortSignal,
    wait: Wait,
  ): Promise<void> {
    const { ages, tracker, start, liveStart, sampling, log } = this.#options;
    const last = this.#lastFragment;
    this.#open = null;
    if (!isStreamFragment(metadata)) {
      log.warn({ fragment: metadata }, 'fragment without number or server timestamp skipped');
      return;
    }
    const { fragmentNumber, serverTimestampMillis } = metadata;
    if (last !== null && BigInt(fragmentNumber) <= BigInt(last.fragmentNumber)) {
      liveStart.seenAgain();
      return;
    }
    // GetMedia gives the fragment that contains a timestamp; the stream starts with the first one at or after it.
    const isBeforeStart = start.type === 'SERVER_TIMESTAMP' && serverTimestampMillis < start.millis;
    if (last === null && isBeforeStart) return;
    ages.videoCame(metadata);
    const plan = await wait('PLAN', () => sampling.planFor(metadata, signal));
    liveStart.fragmentBegun(metadata);
    const iFrameCounter = last?.iFrameCounter ?? 0;
    for (const lost of tracker.start(fragmentNumber, serverTimestampMillis, iFrameCounter)) {
      if (liveStart.isSkipping) continue;
      log.warn({ fragmentNumber: lost }, 'cut fragment is gone at the second reading');
      this.#gaps.open(last, lost);
    }
    const video = track === null ? null : { trackNumber: track.trackNumber, codec: lazyCodec(track) };
    this.#open = { fragment: metadata, video, plan, iFrameCounter, iFrames: 0 };
  }

  async #readFrame({ payload, ...frame }: Frame, signal: AbortSignal, wait: Wait): Promise<void> {
    const { ages, streamName, tracker, tenure } = this.#options;
    const open = this.#open;
    if (open?.video == null) return;
    const { fragment, plan } = open;
    const { codec } = open.video;
    const { fragmentNumber } = fragment;
    const idOf = ({ name }: SampledEndpoint) =>
      frameId(streamName, fragmentNumber, frame.index, plan.namesEndpoints ? name : undefined);
    const digest = createHash('sha256').update(payload).digest('base64');
    const endpoints = endpointsFor(open).filter((endpoint) =>
      tracker.handOn(fragmentNumber, idOf(endpoint), digest),
    );
    if (endpoints.length === 0) return;
    ages.handedOn({ fragment, frame });
    // The demuxer's own holds until the next event only.
    const copy = Buffer.from(payload);
    const frames = endpoints.map((endpoint): SampledFrame => {
      const id = idOf(endpoint);
      const settle = (end: FrameEnd) => {
        if (end === 'PUBLISHED') ages.published({ fragment, frame });
        tracker.settle(fragmentNumber, id);
      };
      const abandon = () => tracker.abandon();
      return { id, streamName, endpoint, fragment, frame, codec, payload: copy, tenure, settle, abandon };
    });
    // The slowest endpoint sets the stream's pace.
    await wait('ROOM', () => this.#submitAll(frames, signal));
  }

  /** @throws what the first of them was refused with; those that are taken stay so */
  async #submitAll(frames: readonly SampledFrame[], signal: AbortSignal): Promise<void> {
    const results = await Promise.allSettled(frames.map((frame) => this.#submit(frame, signal)));
    const refused = results.find((result) => result.status === 'rejected');
    if (refused !== undefined) throw refused.reason;
  }

  async #submit(frame: SampledFrame, signal: AbortSignal): Promise<void> {
    const { metrics, streamName, submit, tracker } = this.#options;
    try {
      await submit(frame, signal);
    } catch (error) {
      tracker.takeBack(frame.fragment.fragmentNumber, frame.id);
      throw error;
    }
    metrics.count('FramesSampled', streamName);
  }

  #endFragment(end: Extract<MatroskaEvent, { type: 'fragmentEnd' }>): void {
    const { ages, liveStart, metrics, sampling, streamName } = this.#options;
    if (end.millisBehindNow !== null) metrics.observe('MillisBehindNow', streamName, end.millisBehindNow);
    if (this.#open === null) return;
    if (!end.complete) {
      throw new KvsInferenceError('NO_TRAILING_TAGS', 'a fragment ended without its trailing tags');
    }
    const { fragment, iFrameCounter, iFrames } = this.#open;
    this.#open = null;
    metrics.count('FragmentsReceived', streamName);
    metrics.count('FramesReceived', streamName, end.frames);
    metrics.count('IFramesReceived', streamName, iFrames);
    this.#gaps.close(fragment);
    ages.fragmentRead(fragment);
    liveStart.fragmentRead(fragment, end.millisBehindNow);
    sampling.fragmentEnded(fragment, end.millisBehindNow);
    this.#advance(fragment, iFrameCounter);
  }

  /** Everything up to and with this fragment has been read. */
  #advance({ fragmentNumber, serverTimestampMillis }: StreamFragment, iFrameCounter: number): void {
    this.#options.tracker.complete(fragmentNumber, iFrameCounter);
    this.#lastFragment = { fragmentNumber, serverTimestampMillis, iFrameCounter };
  }
}

/** Those that get the I-frame that was counted last. */
function endpointsFor({ plan, iFrameCounter }: OpenFragment): SampledEndpoint[] {
  return plan.endpoints.filter(({ inferenceInterval }) => isSampled(iFrameCounter - 1, inferenceInterval));
}

/** Not every frame is decoded, nor can each be: whoever decodes one asks. */
function lazyCodec(track: Track): () => CodecParameters {
  let parameters: CodecParameters | null = null;
  return () => {
    parameters ??= codecParameters(track);
    return parameters;
  };
}

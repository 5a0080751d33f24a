import { errorMessage, errorName, KvsInferenceError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { Checkpoint, CheckpointTracker } from '../lease/checkpoint.ts';
import type { StartPosition } from '../lease/lease.ts';
import type { Frame, MatroskaEvent } from '../matroska/demuxer.ts';
import type { FragmentMetadata } from '../matroska/fragment.ts';
import type { Track } from '../matroska/tracks.ts';
import { type CodecParameters, codecParameters } from '../video/codec.ts';
import { isSampled, videoTrack } from '../video/sampler.ts';
import { GapLog } from './gap-log.ts';
import { frameId, type SampledFrame, type StreamFragment, type Tenure } from './sampled-frame.ts';

export interface FragmentReaderOptions {
  streamName: string;
  start: StartPosition;
  tracker: CheckpointTracker;
  tenure: Tenure;
  inferenceInterval: number;
  log: Logger;
  metrics: Metrics;
}

/** An error that the service reports inside the body; its code is the service's. */
export class InStreamError extends KvsInferenceError {}

/** The fragment whose frames are being read. */
interface OpenFragment {
  readonly fragment: StreamFragment;
  readonly track: Track | null;
  codec: CodecParameters | null;
  /** I-frames of the stream up to here, this fragment's included. */
  iFrameCounter: number;
  frames: number;
  iFrames: number;
}

/**
 * Turns what a stream's bodies hold into sampled frames, fragment by fragment.
 *
 * A fragment counts as seen only with its trailing tags. A cut one is read again with the I-frame counter set back,
 * so that the same frames are sampled; frames of it that were handed on already are not handed on twice.
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
   * @param submit resolves when the frame is taken
   * @throws {KvsInferenceError} NO_TRAILING_TAGS for a fragment that ended without them
   * @throws {InStreamError}
   */
  async read(event: MatroskaEvent, submit: (frame: SampledFrame) => Promise<void>): Promise<void> {
    switch (event.type) {
      case 'fragmentStart':
        this.#startFragment(event.fragment, videoTrack(event.tracks));
        break;
      case 'frame':
        await this.#readFrame(event.frame, submit);
        break;
      case 'fragmentEnd':
        this.#endFragment(event);
        break;
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
    this.#gaps.open(this.#lastFragment, fragment.fragmentNumber);
    this.#advance(fragment, iFrameCounter);
  }

  #startFragment(metadata: FragmentMetadata, track: Track | null): void {
    const { tracker, start, log } = this.#options;
    const last = this.#lastFragment;
    this.#open = null;
    if (!isStreamFragment(metadata)) {
      log.warn({ fragment: metadata }, 'fragment without number or server timestamp skipped');
      return;
    }
    const { fragmentNumber, serverTimestampMillis } = metadata;
    if (last !== null && BigInt(fragmentNumber) <= BigInt(last.fragmentNumber)) return;
    // GetMedia gives the fragment that contains a timestamp; the stream starts with the first one at or after it.
    const isBeforeStart = start.type === 'SERVER_TIMESTAMP' && serverTimestampMillis < start.millis;
    if (last === null && isBeforeStart) return;
    const iFrameCounter = last?.iFrameCounter ?? 0;
    for (const lost of tracker.start(fragmentNumber, serverTimestampMillis, iFrameCounter)) {
      log.warn({ fragmentNumber: lost }, 'cut fragment is gone at the second reading');
      this.#gaps.open(last, lost);
    }
    this.#open = { fragment: metadata, track, codec: null, iFrameCounter, frames: 0, iFrames: 0 };
  }

  async #readFrame(
    { payload, ...frame }: Frame,
    submit: (frame: SampledFrame) => Promise<void>,
  ): Promise<void> {
    const { metrics, streamName, tracker, tenure, inferenceInterval } = this.#options;
    const open = this.#open;
    if (open === null) return;
    open.frames += 1;
    if (frame.trackNumber !== open.track?.trackNumber || !frame.keyFrame) return;
    open.iFrames += 1;
    open.iFrameCounter += 1;
    if (!isSampled(open.iFrameCounter - 1, inferenceInterval)) return;
    const { fragment, track } = open;
    const { fragmentNumber } = fragment;
    if (!tracker.handOn(fragmentNumber, frame.index)) return;
    const settle = () => tracker.settle(fragmentNumber, frame.index);
    const codec = this.#codec(open, track, frame.index);
    if (codec === null) return settle();
    const sampled: SampledFrame = {
      id: frameId(streamName, fragmentNumber, frame.index),
      streamName,
      fragment,
      frame,
      codec,
      // A view would keep the whole chunk of the body alive for as long as the frame waits.
      payload: Buffer.from(payload),
      tenure,
      settle,
      abandon: () => tracker.abandon(),
    };
    try {
      await submit(sampled);
    } catch (error) {
      tracker.takeBack(fragmentNumber, frame.index);
      throw error;
    }
    metrics.count('FramesSampled', streamName);
  }

  /** Null where no decoder knows it, which is counted as the frame's failure. */
  #codec(open: OpenFragment, track: Track, frameIndex: number): CodecParameters | null {
    const { metrics, streamName, log } = this.#options;
    try {
      open.codec ??= codecParameters(track);
      return open.codec;
    } catch (error) {
      metrics.count('FramesSampled', streamName);
      metrics.count('FramesFailed', streamName);
      const { fragmentNumber } = open.fragment;
      log.error({ fragmentNumber, frameIndex, error: errorName(error) }, errorMessage(error));
      return null;
    }
  }

  #endFragment(end: Extract<MatroskaEvent, { type: 'fragmentEnd' }>): void {
    const { metrics, streamName } = this.#options;
    if (end.millisBehindNow !== null) metrics.observe('MillisBehindNow', streamName, end.millisBehindNow);
    if (this.#open === null) return;
    if (!end.complete) {
      throw new KvsInferenceError('NO_TRAILING_TAGS', 'a fragment ended without its trailing tags');
    }
    const { fragment, iFrameCounter, frames, iFrames } = this.#open;
    this.#open = null;
    metrics.count('FragmentsReceived', streamName);
    metrics.count('FramesReceived', streamName, frames);
    metrics.count('IFramesReceived', streamName, iFrames);
    this.#gaps.close(fragment);
    this.#advance(fragment, iFrameCounter);
  }

  /** Everything up to and with this fragment has been read. */
  #advance({ fragmentNumber, serverTimestampMillis }: StreamFragment, iFrameCounter: number): void {
    this.#options.tracker.complete(fragmentNumber, iFrameCounter);
    this.#lastFragment = { fragmentNumber, serverTimestampMillis, iFrameCounter };
  }
}

function isStreamFragment(metadata: FragmentMetadata): metadata is StreamFragment {
  return metadata.fragmentNumber !== null && metadata.serverTimestampMillis !== null;
}

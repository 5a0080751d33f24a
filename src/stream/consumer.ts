import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName, KvsInferenceError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { CheckpointTracker } from '../lease/checkpoint.ts';
import type { StartPosition } from '../lease/lease.ts';
import { type Frame, MatroskaDemuxer, type MatroskaEvent } from '../matroska/demuxer.ts';
import { MatroskaError } from '../matroska/error.ts';
import type { FragmentMetadata } from '../matroska/fragment.ts';
import type { Track } from '../matroska/tracks.ts';
import { type CodecParameters, codecParameters } from '../video/codec.ts';
import { isSampled, videoTrack } from '../video/sampler.ts';
import { type Ending, fallbackPosition, type Progress, readPosition, resumeDelay } from './resume.ts';
import { frameId, type SampledFrame, type StreamFragment } from './sampled-frame.ts';
import type { MediaSource, ReadPosition } from './source.ts';

const FRAGMENT_NOT_FOUND = '4000';
/** A fragment that is corrupt, or has no trailing tags, is read this often before it is skipped as a gap. */
const MAX_UNREADABLE_READINGS = 3;
/** Failures after which a warning is repeated as an error. */
const LOUD_AFTER_FAILURES = 5;

export interface StreamConsumerOptions {
  streamName: string;
  start: StartPosition;
  tracker: CheckpointTracker;
  inferenceInterval: number;
  source: MediaSource;
  /** Resolves when the frame is taken; until then nothing more is read. Rejects when `signal` aborts. */
  submit: (frame: SampledFrame, signal: AbortSignal) => Promise<void>;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

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
 * Reads one stream for as long as its lease is held: fragments in, sampled frames out to `submit`.
 *
 * A fragment counts as seen only with its trailing tags. A cut one is read again with the I-frame counter set back,
 * so that the same frames are sampled; frames of it that were handed on already are not handed on twice.
 */
export class StreamConsumer {
  readonly #options: StreamConsumerOptions;
  readonly #log: Logger;
  /** What has been read, which is ahead of what is done. */
  #progress: Progress;
  /** Where to read on while the fragment to read on from is gone. */
  #fallback: ReadPosition | null = null;
  #open: OpenFragment | null = null;
  #unreadable: { fragmentNumber: string; readings: number } | null = null;

  constructor(options: StreamConsumerOptions) {
    this.#options = options;
    this.#log = options.log.child({ streamName: options.streamName });
    this.#progress = { start: options.start, checkpoint: options.tracker.checkpoint };
  }

  /** Runs until `signal` aborts; then resolves. */
  async run(signal: AbortSignal): Promise<void> {
    let consecutiveFailures = 0;
    while (!signal.aborted) {
      const position = this.#fallback ?? readPosition(this.#progress);
      const ending = await this.#read(position, consecutiveFailures, signal);
      if (signal.aborted) return;
      consecutiveFailures = ending.type === 'failed' ? ending.consecutiveFailures : 0;
      if (ending.type === 'fragmentNotFound') this.#fallBack(position);
      this.#options.metrics.count('Reconnects', this.#options.streamName);
      await this.#options.clock.sleep(resumeDelay(ending), signal).catch(() => undefined);
    }
  }

  /** Reads one body to its end. */
  async #read(position: ReadPosition, failuresBefore: number, signal: AbortSignal): Promise<Ending> {
    const { source, streamName, metrics } = this.#options;
    const demuxer = new MatroskaDemuxer();
    let completeFragments = 0;
    let isFragmentLost = false;
    this.#open = null;
    try {
      const body = await source.open(streamName, position, signal);
      this.#log.info({ position }, failuresBefore === 0 ? 'reading' : 'reading again');
      for await (const chunk of body) {
        metrics.count('BytesReceived', streamName, chunk.length);
        for (const event of demuxer.demux(chunk)) {
          if (event.type === 'fragmentEnd' && event.complete) completeFragments += 1;
          if (event.type === 'fragmentEnd' && !event.complete && this.#open !== null) {
            throw new KvsInferenceError('NO_TRAILING_TAGS', 'a fragment ended without its trailing tags');
          }
          if (event.type === 'error') isFragmentLost ||= event.code === FRAGMENT_NOT_FOUND;
          await this.#handle(event, signal);
        }
      }
      for (const event of demuxer.end()) await this.#handle(event, signal);
      return isFragmentLost ? { type: 'fragmentNotFound' } : { type: 'clean', completeFragments };
    } catch (error) {
      if (isFragmentLost) return { type: 'fragmentNotFound' };
      const consecutiveFailures = completeFragments > 0 ? 1 : failuresBefore + 1;
      if (!signal.aborted) this.#reportFailure(error, consecutiveFailures);
      return { type: 'failed', consecutiveFailures };
    }
  }

  async #handle(event: MatroskaEvent, signal: AbortSignal): Promise<void> {
    switch (event.type) {
      case 'fragmentStart':
        this.#startFragment(event.fragment, videoTrack(event.tracks));
        break;
      case 'frame':
        await this.#handleFrame(event.frame, signal);
        break;
      case 'fragmentEnd':
        this.#endFragment(event);
        break;
      case 'error': {
        const { code, message, offset } = event;
        this.#options.metrics.count('StreamErrors', this.#options.streamName);
        this.#log.error({ code, offset, fragmentNumber: this.#open?.fragment.fragmentNumber }, message);
        break;
      }
    }
  }

  #startFragment(metadata: FragmentMetadata, track: Track | null): void {
    const { tracker, start } = this.#options;
    this.#open = null;
    if (!isStreamFragment(metadata)) {
      this.#log.warn({ fragment: metadata }, 'fragment without number or server timestamp skipped');
      return;
    }
    const { fragmentNumber, serverTimestampMillis } = metadata;
    const { checkpoint } = this.#progress;
    if (checkpoint !== null && BigInt(fragmentNumber) <= BigInt(checkpoint.fragmentNumber)) return;
    // GetMedia gives the fragment that contains a timestamp; the stream starts with the first one at or after it.
    const isBeforeStart = start.type === 'SERVER_TIMESTAMP' && serverTimestampMillis < start.millis;
    if (checkpoint === null && isBeforeStart) return;
    const iFrameCounter = checkpoint?.iFrameCounter ?? 0;
    for (const lost of tracker.start(fragmentNumber, serverTimestampMillis, iFrameCounter)) {
      this.#options.metrics.count('Gaps', this.#options.streamName);
      this.#log.error({ fragmentNumber: lost }, 'gap: cut fragment could not be read again');
    }
    this.#open = { fragment: metadata, track, codec: null, iFrameCounter, frames: 0, iFrames: 0 };
  }

  async #handleFrame({ payload, ...frame }: Frame, signal: AbortSignal): Promise<void> {
    const { metrics, streamName, tracker, submit, inferenceInterval } = this.#options;
    const open = this.#open;
    if (open === null) return;
    open.frames += 1;
    if (frame.trackNumber !== open.track?.trackNumber || !frame.keyFrame) return;
    open.iFrames += 1;
    open.iFrameCounter += 1;
    if (!isSampled(open.iFrameCounter - 1, inferenceInterval)) return;
    const { fragment, track } = open;
    if (!tracker.handOn(fragment.fragmentNumber, frame.index)) return;
    const settle = () => tracker.settle(fragment.fragmentNumber, frame.index);
    try {
      open.codec ??= codecParameters(track);
    } catch (error) {
      metrics.count('FramesSampled', streamName);
      metrics.count('FramesFailed', streamName);
      const details = { fragmentNumber: fragment.fragmentNumber, frameIndex: frame.index };
      this.#log.error({ ...details, error: errorName(error) }, errorMessage(error));
      settle();
      return;
    }
    const id = frameId(streamName, fragment.fragmentNumber, frame.index);
    // A view would keep the whole chunk of the body alive for as long as the frame waits.
    const sampled: SampledFrame = {
      id,
      streamName,
      fragment,
      frame,
      codec: open.codec,
      payload: Buffer.from(payload),
      settle,
    };
    try {
      await submit(sampled, signal);
      metrics.count('FramesSampled', streamName);
    } catch (error) {
      tracker.takeBack(fragment.fragmentNumber, frame.index);
      throw error;
    }
  }

  #endFragment(end: Extract<MatroskaEvent, { type: 'fragmentEnd' }>): void {
    const open = this.#open;
    this.#open = null;
    const { metrics, streamName } = this.#options;
    if (end.millisBehindNow !== null) metrics.observe('MillisBehindNow', streamName, end.millisBehindNow);
    if (open === null) return;
    const { fragmentNumber } = open.fragment;
    if (!end.complete) {
      this.#log.warn({ fragmentNumber }, 'fragment cut: it will be read again');
      return;
    }
    const { iFrameCounter, frames, iFrames } = open;
    metrics.count('FragmentsReceived', streamName);
    metrics.count('FramesReceived', streamName, frames);
    metrics.count('IFramesReceived', streamName, iFrames);
    this.#advance(open.fragment, iFrameCounter);
  }

  /** The fragment to go on from is gone: goes on from its time, until something has been read from there. */
  #fallBack(position: ReadPosition): void {
    if (this.#fallback !== null) return;
    this.#fallback = fallbackPosition(this.#progress);
    this.#options.metrics.count('Gaps', this.#options.streamName);
    const details = { position, fallback: this.#fallback };
    this.#log.error(details, 'gap: the service no longer has the fragment to read on from');
  }

  /** Everything up to and with this fragment has been read. */
  #advance({ fragmentNumber, serverTimestampMillis }: StreamFragment, iFrameCounter: number): void {
    this.#options.tracker.complete(fragmentNumber, iFrameCounter);
    this.#progress = {
      ...this.#progress,
      checkpoint: { fragmentNumber, serverTimestampMillis, iFrameCounter },
    };
    this.#fallback = null;
  }

  #reportFailure(error: unknown, consecutiveFailures: number): void {
    const fragmentNumber = this.#open?.fragment.fragmentNumber;
    const details = { error: errorName(error), consecutiveFailures, fragmentNumber };
    const level = consecutiveFailures >= LOUD_AFTER_FAILURES ? 'error' : 'warn';
    const message = `stream cannot be read, trying again: ${errorMessage(error)}`;
    this.#log[level](details, message);
    const isContent = error instanceof MatroskaError || details.error === 'NO_TRAILING_TAGS';
    if (isContent && this.#open !== null) this.#countUnreadable(this.#open);
  }

  /** A stored fragment that cannot be read must not stop the stream for ever: in the end it is a gap. */
  #countUnreadable({ fragment, iFrameCounter }: OpenFragment): void {
    const { fragmentNumber } = fragment;
    const readings = this.#unreadable?.fragmentNumber === fragmentNumber ? this.#unreadable.readings + 1 : 1;
    this.#unreadable = { fragmentNumber, readings };
    if (readings < MAX_UNREADABLE_READINGS) return;
    this.#options.metrics.count('Gaps', this.#options.streamName);
    this.#log.error({ fragmentNumber, readings }, 'gap: unreadable fragment skipped');
    this.#advance(fragment, iFrameCounter);
  }
}

function isStreamFragment(metadata: FragmentMetadata): metadata is StreamFragment {
  return metadata.fragmentNumber !== null && metadata.serverTimestampMillis !== null;
}

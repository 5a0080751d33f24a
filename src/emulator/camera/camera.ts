import { randomBytes } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { errorMessage, KvsInferenceError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { fullJitter } from '../../core/retry.ts';
import { clusterStart, END_OF_FRAGMENT, frameBlock, streamHeader } from './matroska-stream.ts';
import { type Acknowledgement, PutMediaRequest } from './put-media.ts';
import { type KinesisVideoApi, putMediaEndpoint } from './put-media-endpoint.ts';
import { ReadAhead } from './read-ahead.ts';
import { type Instant, Timeline } from './timeline.ts';
import type { SourceFragment, VideoSource } from './video-source.ts';

export interface CameraOptions {
  api: KinesisVideoApi;
  /** Created if it does not exist. */
  streamName: string;
  /** Stays open when the camera ends. */
  source: VideoSource;
  clock: Clock;
  log: Logger;
  /** Ends the camera. */
  signal: AbortSignal;
}

export interface Camera {
  readonly streamName: string;
  /** How many fragments the service has reported as persisted. */
  readonly fragmentsPersisted: number;
  /** Resolves about a second after the signal aborts at the latest; rejects where the source fails. */
  readonly closed: Promise<void>;
}

/**
 * Streams a source into a Kinesis video stream in real time, over one PutMedia request after the other: a failure
 * of the service is retried until the signal aborts, and what it had not acknowledged is sent again. For an
 * emulator on the loopback interface only, as the requests are not signed.
 */
export function startCamera(options: CameraOptions): Camera {
  const { log, streamName } = options;
  const camera = new LiveCamera(options);
  const closed = camera.run();
  closed.catch((err: unknown) => log.error({ err, streamName }, 'camera failed'));
  return {
    streamName,
    closed,
    get fragmentsPersisted() {
      return camera.fragmentsPersisted;
    },
  };
}

interface SentFragment {
  readonly fragment: SourceFragment;
  readonly start: Instant;
  /** Of the Cluster, whole milliseconds. */
  readonly timecodeMillis: number;
}

const SOURCE_FAILED = 'CAMERA_SOURCE_FAILED';
/** How long the last fragment may take to be acknowledged. */
const END_MILLIS = 1000;
const BACK_OFF = { baseDelayMillis: 200, maxDelayMillis: 5000 };
/** What is kept to be sent again: more are only outstanding where the service never acknowledges. */
const MAX_UNACKNOWLEDGED = 10;

class LiveCamera {
  fragmentsPersisted = 0;
  readonly #options: CameraOptions;
  readonly #timeline: Timeline;
  readonly #segmentUuid = randomBytes(16);
  #unacknowledged: SentFragment[] = [];
  /** Since the last fragment that was persisted. */
  #failures = 0;

  constructor(options: CameraOptions) {
    this.#options = options;
    this.#timeline = new Timeline(options.clock);
  }

  async run(): Promise<void> {
    const { log, signal, source, streamName } = this.#options;
    const fragments = new ReadAhead(source);
    try {
      while (!signal.aborted) {
        try {
          await this.#connect(fragments);
        } catch (error) {
          if (signal.aborted) return;
          if (error instanceof KvsInferenceError && error.code === SOURCE_FAILED) throw error;
          await this.#backOff(error);
        }
      }
    } finally {
      await fragments.close();
      const unacknowledged = this.#unacknowledged.length;
      if (unacknowledged > 0) {
        log.warn({ streamName, unacknowledged }, 'camera ended before its last fragments were persisted');
      }
    }
  }

  /** Streams over one PutMedia request until it is lost or the camera ends. */
  async #connect(fragments: ReadAhead<SourceFragment>): Promise<void> {
    const { api, clock, log, signal, source, streamName } = this.#options;
    const endpoint = await putMediaEndpoint(api, { streamName, codecId: source.track.codecId }, signal);
    signal.throwIfAborted();
    const request = new PutMediaRequest({
      endpoint,
      streamName,
      producerStartMillis: clock.now(),
      onAcknowledgement: (acknowledgement) => this.#acknowledge(acknowledgement),
    });
    const done = new AbortController();
    const giveUp = () => {
      clock.sleep(END_MILLIS, done.signal).then(
        () => request.close(new Error('the camera has ended')),
        () => {},
      );
    };
    signal.addEventListener('abort', giveUp);
    try {
      await request.accepted();
      log.info({ streamName, codecId: source.track.codecId }, 'camera is live');
      await request.write(streamHeader(source.track, this.#segmentUuid));
      for (const sent of [...this.#unacknowledged]) await this.#send(request, sent);
      for (;;) await this.#send(request, this.#place(await this.#next(fragments)));
    } catch (error) {
      if (!signal.aborted) throw error;
      await request.write(END_OF_FRAGMENT);
      await request.end();
    } finally {
      signal.removeEventListener('abort', giveUp);
      done.abort();
      request.close(new Error('the camera has ended'));
    }
  }

  async #next(fragments: ReadAhead<SourceFragment>): Promise<SourceFragment> {
    const { streamName } = this.#options;
    try {
      const fragment = await fragments.next();
      if (fragment !== undefined) return fragment;
    } catch (cause) {
      const message = `The source of camera ${streamName} failed: ${errorMessage(cause)}`;
      throw new KvsInferenceError(SOURCE_FAILED, message, { cause, details: { streamName } });
    }
    throw new KvsInferenceError(SOURCE_FAILED, `The source of camera ${streamName} was closed`, {
      details: { streamName },
    });
  }

  #place(fragment: SourceFragment): SentFragment {
    const start = this.#timeline.place(fragment.durationMillis);
    const sent = { fragment, start, timecodeMillis: Math.round(start.timestampMillis) };
    this.#unacknowledged = [...this.#unacknowledged, sent].slice(-MAX_UNACKNOWLEDGED);
    return sent;
  }

  /** Sends each frame at its time; at once where that has passed. */
  async #send(request: PutMediaRequest, { fragment, start, timecodeMillis }: SentFragment): Promise<void> {
    const { clock, signal } = this.#options;
    let header: Buffer = clusterStart(timecodeMillis);
    for (const frame of fragment.frames) {
      signal.throwIfAborted();
      const waitMillis = start.monotonicMillis + frame.offsetMillis - clock.monotonic();
      if (waitMillis > 0) await clock.sleep(waitMillis, signal);
      await request.write(Buffer.concat([header, frameBlock(frame)]));
      header = Buffer.alloc(0);
    }
  }

  #acknowledge({ EventType, FragmentTimecode, ErrorCode, ErrorId }: Acknowledgement): void {
    const { log, streamName } = this.#options;
    if (EventType === 'PERSISTED') {
      this.fragmentsPersisted += 1;
      this.#failures = 0;
    } else if (EventType === 'ERROR') {
      // Sent again, it would be refused again.
      log.warn({ streamName, ErrorCode, ErrorId, FragmentTimecode }, 'fragment was refused');
    } else return;
    // An error that names no fragment may be about any.
    this.#unacknowledged =
      FragmentTimecode === undefined
        ? []
        : this.#unacknowledged.filter(({ timecodeMillis }) => timecodeMillis !== FragmentTimecode);
  }

  async #backOff(error: unknown): Promise<void> {
    const { clock, log, signal, streamName } = this.#options;
    this.#failures += 1;
    const delayMillis = fullJitter(this.#failures, BACK_OFF);
    log.warn({ err: error, streamName, failures: this.#failures, delayMillis }, 'camera lost its connection');
    await clock.sleep(delayMillis, signal).catch(() => {});
  }
}

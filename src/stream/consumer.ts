import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName, KvsInferenceError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Checkpoint } from '../lease/checkpoint.ts';
import type { StartPosition } from '../lease/lease.ts';
import { MatroskaDemuxer, type MatroskaEvent } from '../matroska/demuxer.ts';
import { type CloseReason, ConnectionWatchdog } from './connection-watchdog.ts';
import {
  type AwaitedThing,
  FragmentReader,
  type FragmentReaderOptions,
  type Wait,
} from './fragment-reader.ts';
import { LiveStart } from './live-start.ts';
import { isAnswer, isGone, mayHideVideo } from './reading-failure.ts';
import { type Ending, fallbackPosition, readPosition, resumeDelay } from './resume.ts';
import type { StreamFragment } from './sampled-frame.ts';
import type { MediaSource, ReadPosition } from './source.ts';
import { mayBeUnreadable, UnreadableFragments } from './unreadable.ts';

/** Failures after which a warning is repeated as an error. */
const LOUD_AFTER_FAILURES = 5;
/** A fragment that does not end may take this many read time-outs, in all its readings. */
const ENDLESS_TIMEOUTS = 2;

export interface StreamConsumerOptions extends Omit<FragmentReaderOptions, 'liveStart'> {
  /** Of the stream whose lease is held; null where it is not known. */
  streamArn: string | null;
  /** Where a stream is read that has nothing left to go on from; asked for when that is found. */
  startPosition: () => StartPosition;
  /** In force now. */
  settings: () => ReadSettings;
  source: MediaSource;
  clock: Clock;
}

export interface ReadSettings {
  /** A connection that is silent, or that a full queue blocks, for longer than this is closed, milliseconds. */
  readonly readStallTimeoutMillis: number;
  /** After downtime older video than this is not read, milliseconds; 0 = all of it is. */
  readonly maxFrameAgeMillis: number;
}

/**
 * Reads one stream for as long as its lease is held: fragments in, sampled frames out to `submit`. Whatever happens
 * to a body, the next one is asked for after the last complete fragment.
 */
export class StreamConsumer {
  readonly #options: StreamConsumerOptions;
  readonly #log: Logger;
  readonly #reader: FragmentReader;
  readonly #liveStart: LiveStart;
  readonly #unreadable: UnreadableFragments;
  /** Where to read on instead of after `lastFragment`, because that is gone. */
  #fallback: { position: ReadPosition; lastFragment: Checkpoint | null } | null = null;
  /** Of the body before; null before the first. */
  #ending: Ending | null = null;
  #progressMonotonic: number;
  #awaited: AwaitedThing | null = null;

  constructor(options: StreamConsumerOptions) {
    const log = options.log.child({ streamName: options.streamName });
    this.#log = log;
    this.#options = options;
    this.#liveStart = new LiveStart({
      ...options,
      log,
      checkpoint: options.tracker.checkpoint,
      maxFrameAgeMillis: () => options.settings().maxFrameAgeMillis,
    });
    this.#reader = new FragmentReader({ ...options, log, liveStart: this.#liveStart });
    this.#unreadable = new UnreadableFragments(
      () => ENDLESS_TIMEOUTS * options.settings().readStallTimeoutMillis,
    );
    this.#progressMonotonic = options.clock.monotonic();
  }

  /**
   * For how long the stream could not be read, monotonic milliseconds; 0 while it waits for something else. A
   * complete fragment, the clean end of a body (all that an idle camera gives) and an error that the service answers
   * are progress, and so is a fragment that may be unreadable, as it is skipped in the end; connections that fail,
   * are cut or give nothing are none.
   */
  get stalledMillis(): number {
    return this.#awaited !== null ? 0 : this.#options.clock.monotonic() - this.#progressMonotonic;
  }

  /** Runs until `signal` aborts; then resolves, with the connection closed. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, metrics, streamName, tenure } = this.#options;
    // Frames are refused when the tenure drains.
    const isOver = () => signal.aborted || tenure.draining.aborted;
    while (!isOver()) {
      const ending = await this.#read(signal, isOver);
      if (ending === null || isOver()) return;
      this.#ending = ending;
      metrics.count('Reconnects', streamName);
      const pauseMillis = resumeDelay(ending);
      if (ending.type === 'clean') this.#bodyEnded(ending, pauseMillis);
      await clock.sleep(pauseMillis, signal).catch(() => undefined);
    }
  }

  #bodyEnded({ hasAdvanced }: { hasAdvanced: boolean }, pauseMillis: number): void {
    this.#liveStart.bodyEnded({ hasAdvanced }, pauseMillis);
    if (!hasAdvanced) this.#options.ages.caughtUp();
  }

  /** Reads one body. @returns null if it is not to be followed by another one */
  async #read(signal: AbortSignal, isOver: () => boolean): Promise<Ending | null> {
    const { clock, settings } = this.#options;
    const connection = new ConnectionWatchdog({
      clock,
      timeoutMillis: () => settings().readStallTimeoutMillis,
      signal,
      onClose: (reason) => this.#reportClose(reason),
    });
    const { lastFragment } = this.#reader;
    const hasAdvanced = () => this.#reader.lastFragment !== lastFragment;
    try {
      const isCut = await this.#readBody(connection, signal);
      // Where the body has advanced, the next one begins with the fragment that this one ended in.
      if (isCut && !hasAdvanced()) {
        throw new KvsInferenceError('FRAGMENT_CUT', 'the body ended inside a fragment');
      }
      this.#markProgress();
      return { type: 'clean', hasAdvanced: hasAdvanced() };
    } catch (error) {
      if (isOver()) return null;
      const { closeReason } = connection;
      if (closeReason === 'BLOCKED') return { type: 'blocked' };
      const failuresBefore = this.#ending?.type === 'failed' ? this.#ending.consecutiveFailures : 0;
      const consecutiveFailures = hasAdvanced() ? 1 : failuresBefore + 1;
      // Why the connection was closed says more than what became of the call.
      this.#recover(closeReason === null ? error : connection.signal.reason, consecutiveFailures);
      return { type: 'failed', consecutiveFailures };
    } finally {
      connection.stop();
    }
  }

  /** @returns whether the body ended, though cleanly, inside a fragment */
  async #readBody(connection: ConnectionWatchdog, signal: AbortSignal): Promise<boolean> {
    const { source, metrics, streamName, streamArn } = this.#options;
    const demuxer = new MatroskaDemuxer({ wants: (frame) => this.#reader.wants(frame) });
    const position = this.#liveStart.position(this.#reader.lastFragment) ?? this.#position;
    const wait: Wait = (thing, operation) =>
      connection.whileWaiting(() => this.#whileAwaited(thing, operation));
    const handle = (event: MatroskaEvent) => {
      const pending = this.#reader.read(event, signal, wait);
      if (event.type === 'fragmentEnd' && event.complete) {
        connection.fragmentCompleted();
        this.#markProgress();
      }
      return pending;
    };
    /** Up to the first event that the next one has to wait for. */
    const handleAll = (events: Iterator<MatroskaEvent, void>): Promise<void> | undefined => {
      for (let next = events.next(); !next.done; next = events.next()) {
        const pending = handle(next.value);
        if (pending !== undefined) return pending.then(() => handleAll(events));
      }
      return undefined;
    };
    this.#reader.startBody();
    const body = await source.open({ streamName, streamArn }, position, connection.signal);
    connection.bytesReceived();
    // An idle camera's body ends every three seconds.
    const level = this.#ending?.type === 'clean' ? 'debug' : 'info';
    this.#log[level]({ position }, this.#ending === null ? 'reading' : 'reading again');
    await body.read((chunk) => {
      connection.bytesReceived();
      metrics.count('BytesReceived', streamName, chunk.length);
      return handleAll(demuxer.demux(chunk));
    });
    connection.signal.throwIfAborted();
    const end = demuxer.end();
    let next = end.next();
    for (; !next.done; next = end.next()) {
      // A fragment that the body ended in stays open: no bytes of it are wrong.
      if (next.value.type !== 'fragmentEnd' || next.value.complete) await handle(next.value);
    }
    return next.value;
  }

  async #whileAwaited<T>(thing: AwaitedThing, operation: () => Promise<T>): Promise<T> {
    const { clock } = this.#options;
    const since = clock.monotonic();
    this.#awaited = thing;
    try {
      return await operation();
    } finally {
      this.#awaited = null;
      if (thing === 'ROOM') this.#markProgress();
      else this.#progressMonotonic += clock.monotonic() - since;
    }
  }

  get #position(): ReadPosition {
    const { lastFragment } = this.#reader;
    if (this.#fallback?.lastFragment === lastFragment) return this.#fallback.position;
    return readPosition(lastFragment, this.#options.start);
  }

  #markProgress(): void {
    this.#progressMonotonic = this.#options.clock.monotonic();
  }

  #reportClose(reason: CloseReason): void {
    const { metrics, streamName } = this.#options;
    if (reason !== 'BLOCKED') {
      metrics.count('ReaderStalls', streamName);
      return;
    }
    if (this.#awaited === 'PLAN') {
      this.#log.info('not recorded yet what is to be sampled: connection closed until it is');
      return;
    }
    metrics.count('ReaderBlocks', streamName);
    const fragmentNumber = this.#reader.openFragment?.fragmentNumber;
    this.#log.info({ fragmentNumber }, 'queue is full: connection closed until it has room');
  }

  /** Reports a failure, and sees to it that the next body is not bound to fail in the same way. */
  #recover(error: unknown, consecutiveFailures: number): void {
    const fragment = this.#reader.openFragment;
    const fragmentNumber = fragment?.fragmentNumber;
    const details = { error: errorName(error), consecutiveFailures, fragmentNumber };
    const level = consecutiveFailures >= LOUD_AFTER_FAILURES ? 'error' : 'warn';
    this.#log[level](details, `stream cannot be read, trying again: ${errorMessage(error)}`);
    if (isAnswer(error)) this.#markProgress();
    if (mayHideVideo(error, consecutiveFailures)) this.#options.ages.readingFailed();
    // What is skipped may as well be gone.
    if (isGone(error) && !this.#liveStart.isSkipping) this.#fallBack();
    else if (fragment !== null) this.#skipIfUnreadable(fragment, error);
  }

  /** What follows the last complete fragment is gone. */
  #fallBack(): void {
    const { lastFragment } = this.#reader;
    const position = this.#position;
    this.#reader.openGap();
    this.#fallback = {
      position: fallbackPosition(position, lastFragment, this.#options.startPosition),
      lastFragment,
    };
    this.#log.warn({ position, fallback: this.#fallback.position }, 'no longer stored: reading elsewhere');
  }

  /** A stored fragment that cannot be read must not stop the stream for ever: in the end it is a gap. */
  #skipIfUnreadable({ fragmentNumber }: StreamFragment, error: unknown): void {
    if (!mayBeUnreadable(error)) return;
    // No other worker could read it either.
    this.#markProgress();
    if (this.#unreadable.shouldSkip(fragmentNumber, error, this.#options.clock.monotonic())) {
      this.#reader.skipOpenFragment();
    }
  }
}

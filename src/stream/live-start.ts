import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { Checkpoint } from '../lease/checkpoint.ts';
import type { StartPosition } from '../lease/lease.ts';
import { type GapStart, gapStart } from './gap-log.ts';
import type { StreamFragment } from './sampled-frame.ts';
import type { ReadPosition } from './source.ts';

export interface LiveStartOptions {
  streamName: string;
  start: StartPosition;
  /** What the tenure begins with. */
  checkpoint: Checkpoint | null;
  /** Video older than this is not worth reading, milliseconds; 0 = all of it is. */
  maxFrameAgeMillis: () => number;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

interface Skip {
  readonly before: GapStart;
  /** Where the first fragment after it begins, or is asked for. */
  readonly fromMillis: number;
  /** Of what can have been skipped: without what had been found to be no video. */
  readonly spanMillis: number;
}

/**
 * Live mode after downtime: reading starts at now minus the maximum age, and what lies before is skipped, counted and
 * named. There is none while the stream is read, nor while its camera is idle.
 */
export class LiveStart {
  readonly #options: LiveStartOptions;
  /** When everything of the stream had been read, wall clock; null before anything was. */
  #upToDateMillis: number | null;
  /** Of the fragment that was read last, as its trailing tags say; null where they do not. */
  #millisBehindNow: number | null = null;
  /** What is being skipped: until the first fragment after it has been read. */
  #skip: Skip | null = null;
  /** The fragment that began last and has not been read, and what was being skipped before it. */
  #begun: { readonly fragmentNumber: string; readonly skip: Skip | null } | null = null;

  constructor(options: LiveStartOptions) {
    this.#options = options;
    this.#upToDateMillis = gapStart(options.checkpoint, options.start).serverTimestampMillis;
  }

  /** Whether fragments are missing on purpose. */
  get isSkipping(): boolean {
    return this.#skip !== null;
  }

  /** @returns where the next body is to start; null = after the last complete fragment, as ever */
  position(lastFragment: Checkpoint | null): ReadPosition | null {
    const { clock, maxFrameAgeMillis, start } = this.#options;
    const maxAgeMillis = maxFrameAgeMillis();
    const fromMillis = clock.now() - maxAgeMillis;
    // Without a maximum age nothing is skipped but what lies before a fragment that frames were handed on of.
    if (maxAgeMillis === 0) this.#skip = this.#begun?.skip ?? null;
    else if (this.#upToDateMillis !== null && this.#upToDateMillis < fromMillis) {
      const { before, spanMillis } = this.#skip ?? { before: gapStart(lastFragment, start), spanMillis: 0 };
      const sinceMillis = Math.max(this.#upToDateMillis, this.#skip?.fromMillis ?? 0);
      this.#skip = { before, fromMillis, spanMillis: spanMillis + fromMillis - sinceMillis };
    }
    return this.#skip === null ? null : { type: 'SERVER_TIMESTAMP', millis: this.#skip.fromMillis };
  }

  /**
   * A body has ended cleanly.
   *
   * @param pauseMillis until the next one is asked for: what comes meanwhile is read in time
   */
  bodyEnded({ hasAdvanced }: { hasAdvanced: boolean }, pauseMillis: number): void {
    const behindMillis = hasAdvanced ? this.#millisBehindNow : 0;
    if (behindMillis !== null) this.#isUpToDate(this.#options.clock.now() + pauseMillis - behindMillis);
  }

  /** A fragment comes that was read before: nothing lies between it and what follows. */
  seenAgain(): void {
    this.#skip = null;
  }

  /** A fragment begins, maybe anew: then what was skipped is what was when it began first. */
  fragmentBegun({ fragmentNumber, serverTimestampMillis }: StreamFragment): void {
    if (fragmentNumber === this.#begun?.fragmentNumber) {
      this.#skip = this.#begun.skip;
      return;
    }
    this.#isUpToDate(serverTimestampMillis);
    if (this.#skip !== null && serverTimestampMillis < this.#skip.fromMillis) {
      const spanMillis = this.#skip.spanMillis - (this.#skip.fromMillis - serverTimestampMillis);
      const fromMillis = serverTimestampMillis;
      this.#skip = { ...this.#skip, fromMillis, spanMillis: Math.max(0, spanMillis) };
    }
    this.#begun = { fragmentNumber, skip: this.#skip };
  }

  /** @param millisBehindNow as its trailing tags say */
  fragmentRead(
    { fragmentNumber, serverTimestampMillis }: StreamFragment,
    millisBehindNow: number | null,
  ): void {
    this.#millisBehindNow = millisBehindNow;
    if (millisBehindNow !== null) this.#isUpToDate(this.#options.clock.now() - millisBehindNow);
    if (this.#skip === null) return;
    const { before, spanMillis } = this.#skip;
    this.#skip = null;
    const { log, metrics, streamName } = this.#options;
    metrics.count('Skips', streamName);
    metrics.observe('SkippedDuration', streamName, spanMillis);
    log.warn(
      { before, after: { fragmentNumber, serverTimestampMillis }, spanMillis },
      `skipped to stay fresh: video between ${before.fragmentNumber ?? 'the start'} and ${fragmentNumber}, ${spanMillis} ms`,
    );
  }

  #isUpToDate(millis: number): void {
    this.#upToDateMillis = Math.max(this.#upToDateMillis ?? 0, millis);
  }
}

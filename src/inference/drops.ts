import type { Clock } from '../core/clock.ts';
import { Delayed } from '../core/delayed.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { SampledFrame } from '../stream/sampled-frame.ts';

/** Why a frame was dropped to stay fresh. */
export type DropReason = 'QUEUE_FULL' | 'TOO_OLD';

interface Drops {
  readonly streamName: string;
  readonly reason: DropReason;
  readonly ids: string[];
}

const GATHERING_MILLIS = 1000;
/** Ids in a line. */
const MAX_IDS = 100;
const METRICS_BY_REASON = { QUEUE_FULL: 'FramesDroppedQueueFull', TOO_OLD: 'FramesDroppedTooOld' } as const;
const MESSAGES: Readonly<Record<DropReason, string>> = {
  QUEUE_FULL: 'frames dropped: newer ones came before their turn',
  TOO_OLD: 'frames dropped: older than maxFrameAgeInMilli at their turn',
};

/**
 * Frames that were dropped: each is counted by its reason, and named in a line. Those of a second share lines, by stream
 * and reason: a live stream may drop more frames than it shows.
 */
export class DropLog {
  readonly #options: { clock: Clock; log: Logger; metrics: Metrics };
  /** By stream and reason. */
  #drops = new Map<string, Drops>();
  readonly #later: Delayed;

  /** @param options.log names the endpoint in its lines */
  constructor(options: { clock: Clock; log: Logger; metrics: Metrics }) {
    this.#options = options;
    this.#later = new Delayed(options.clock, GATHERING_MILLIS, () => this.flush());
  }

  add({ id, streamName }: SampledFrame, reason: DropReason): void {
    const { metrics } = this.#options;
    metrics.count('FramesDropped', streamName);
    metrics.count(METRICS_BY_REASON[reason], streamName);
    if (this.#drops.size === 0) this.#later.start();
    const key = `${reason} ${streamName}`;
    const drops = this.#drops.get(key) ?? { streamName, reason, ids: [] };
    this.#drops.set(key, drops);
    drops.ids.push(id);
    if (drops.ids.length < MAX_IDS) return;
    this.#write(drops);
    drops.ids.length = 0;
  }

  /** Writes what has no line yet. Leaves no timer. */
  flush(): void {
    this.#later.cancel();
    const drops = this.#drops;
    this.#drops = new Map();
    for (const each of drops.values()) if (each.ids.length > 0) this.#write(each);
  }

  #write({ streamName, reason, ids }: Drops): void {
    this.#options.log.warn({ streamName, reason, frames: ids.length, ids }, MESSAGES[reason]);
  }
}

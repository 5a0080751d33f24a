import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { Checkpoint } from '../lease/checkpoint.ts';
import type { StartPosition } from '../lease/lease.ts';
import type { StreamFragment } from './sampled-frame.ts';

/** Where a gap begins: the last complete fragment, or the start of a stream of which nothing has been read. */
export interface GapStart {
  readonly fragmentNumber: string | null;
  /** Milliseconds since the Unix epoch; null for a stream that is read from its earliest fragment. */
  readonly serverTimestampMillis: number | null;
}

/** Lost fragments that a line names; a gap may have any number of them. */
const MAX_NAMED = 20;

/**
 * Names what is missing from a stream. A gap lasts from the last complete fragment before it to the first after it:
 * it is counted when it is found, and its line is written when it is known how long it is. All that is found missing
 * meanwhile belongs to it.
 */
export class GapLog {
  readonly #options: { streamName: string; start: StartPosition; log: Logger; metrics: Metrics };
  #gap: { readonly before: GapStart; readonly lostFragments: string[] } | null = null;

  constructor(options: { streamName: string; start: StartPosition; log: Logger; metrics: Metrics }) {
    this.#options = options;
  }

  /** @param lostFragment the number of a fragment that is known to be in the gap */
  open(lastFragment: Checkpoint | null, lostFragment: string | null): void {
    if (this.#gap === null) {
      this.#gap = { before: gapStart(lastFragment, this.#options.start), lostFragments: [] };
      this.#options.metrics.count('Gaps', this.#options.streamName);
    }
    const { lostFragments } = this.#gap;
    if (lostFragment !== null && lostFragments.length < MAX_NAMED) lostFragments.push(lostFragment);
  }

  /** @param after the first complete fragment since */
  close({ fragmentNumber, serverTimestampMillis }: StreamFragment): void {
    if (this.#gap === null) return;
    const { before, lostFragments } = this.#gap;
    this.#gap = null;
    const { log, metrics, streamName } = this.#options;
    const spanMillis =
      before.serverTimestampMillis === null ? null : serverTimestampMillis - before.serverTimestampMillis;
    if (spanMillis !== null) metrics.observe('GapDuration', streamName, spanMillis);
    log.error(
      { before, after: { fragmentNumber, serverTimestampMillis }, spanMillis, lostFragments },
      `gap: no video between ${before.fragmentNumber ?? 'the start'} and ${fragmentNumber}` +
        (spanMillis === null ? '' : `, ${spanMillis} ms`),
    );
  }
}

export function gapStart(lastFragment: Checkpoint | null, start: StartPosition): GapStart {
  if (lastFragment !== null) {
    const { fragmentNumber, serverTimestampMillis } = lastFragment;
    return { fragmentNumber, serverTimestampMillis };
  }
  return {
    fragmentNumber: null,
    serverTimestampMillis: start.type === 'SERVER_TIMESTAMP' ? start.millis : null,
  };
}

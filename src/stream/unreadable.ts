import { errorName } from '../core/errors.ts';
import { MatroskaError } from '../matroska/error.ts';

/** How often a fragment is read that cannot be read to its end. */
const MAX_READINGS = 3;
/** Endings that come with every reading of a fragment whose bytes hide its end. Its producer may only be slow, too. */
const ENDLESS: ReadonlySet<string> = new Set(['FRAGMENT_CUT', 'NO_FRAGMENT', 'SILENT']);

/** Whether these bytes can never be read. */
function isCorrupt(error: unknown): boolean {
  return error instanceof MatroskaError || errorName(error) === 'NO_TRAILING_TAGS';
}

/** Whether what has ended the reading of a fragment may be its own fault. */
export function mayBeUnreadable(error: unknown): boolean {
  return isCorrupt(error) || ENDLESS.has(errorName(error));
}

/** Decides when a stored fragment that cannot be read is to be skipped. */
export class UnreadableFragments {
  readonly #patienceMillis: () => number;
  #fragmentNumber: string | null = null;
  #readings = 0;
  #sinceMonotonic = 0;

  /** @param patienceMillis how long after its first reading in vain a fragment without an end is read again */
  constructor(patienceMillis: () => number) {
    this.#patienceMillis = patienceMillis;
  }

  /** @param error what has ended the reading of this fragment; not each is its fault */
  shouldSkip(fragmentNumber: string, error: unknown, nowMonotonic: number): boolean {
    if (!mayBeUnreadable(error)) return false;
    if (fragmentNumber !== this.#fragmentNumber) {
      this.#fragmentNumber = fragmentNumber;
      this.#readings = 0;
      this.#sinceMonotonic = nowMonotonic;
    }
    this.#readings += 1;
    if (this.#readings < MAX_READINGS) return false;
    return isCorrupt(error) || nowMonotonic - this.#sinceMonotonic >= this.#patienceMillis();
  }
}

import { randomInt } from 'node:crypto';

/*
 * Fragment numbers as captures of the service have them: 157 bits, 47 decimal digits,
 *
 *   1 | sequence (64 bits) | server timestamp, milliseconds (64 bits) | arbitrary (28 bits)
 *
 * The sequence of a stream rises by one within a PutMedia connection and goes on at the next thousand plus one in
 * the next.
 */

const SEQUENCE_BITS = 64n;
const MILLIS_BITS = 64n;
const ARBITRARY_BITS = 28;
const SEQUENCES_PER_CONNECTION = 1000n;

/** Hands out the fragment numbers of one stream, each larger than the one before. */
export class FragmentNumbers {
  #sequence = 0n;

  /**
   * As text; texts of this one length compare as the numbers do.
   *
   * @param isFirst of its connection
   */
  next(serverTimestampMillis: number, isFirst: boolean): string {
    const isNextBlock = isFirst && this.#sequence > 0n;
    this.#sequence = isNextBlock ? startOfNextBlock(this.#sequence) : this.#sequence + 1n;
    const sequence = (1n << SEQUENCE_BITS) | this.#sequence;
    const timed = (sequence << MILLIS_BITS) | BigInt(Math.trunc(serverTimestampMillis));
    return String((timed << BigInt(ARBITRARY_BITS)) | BigInt(randomInt(2 ** ARBITRARY_BITS)));
  }
}

function startOfNextBlock(sequence: bigint): bigint {
  const block = (sequence - 1n) / SEQUENCES_PER_CONNECTION;
  return (block + 1n) * SEQUENCES_PER_CONNECTION + 1n;
}

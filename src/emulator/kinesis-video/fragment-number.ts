import { randomInt } from 'node:crypto';

/*
 * Fragment numbers as captures of the service have them: 157 bits, 47 decimal digits,
 *
 *   1 | sequence (64 bits) | server timestamp, milliseconds (64 bits) | arbitrary (28 bits)
 *
 * The sequence of a stream rises by one within a PutMedia connection and goes on at the next thousand plus one in
 * the next.
 */

const RANDOM_BITS = 28;
const MILLIS_BITS = 64;
const SEQUENCE_BITS = 64;
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
    const used = this.#sequence;
    const isFresh = used === 0n || !isFirst;
    this.#sequence = isFresh ? used + 1n : nextBlock(used);
    const bits =
      (((1n << BigInt(SEQUENCE_BITS)) | this.#sequence) << BigInt(MILLIS_BITS)) |
      BigInt(Math.max(0, Math.trunc(serverTimestampMillis)));
    return String((bits << BigInt(RANDOM_BITS)) | BigInt(randomInt(2 ** RANDOM_BITS)));
  }
}

function nextBlock(sequence: bigint): bigint {
  return ((sequence - 1n) / SEQUENCES_PER_CONNECTION + 1n) * SEQUENCES_PER_CONNECTION + 1n;
}

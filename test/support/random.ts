/**
 * Random numbers that are the same for the same seed: mulberry32, whose 2^32 numbers are enough for a test and not for
 * anything else.
 */
export class Random {
  #state: number;

  /** @param seed an integer; of a larger one only the low 32 bits count */
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** At least 0 and less than 1. */
  float(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  between(from: number, to: number): number {
    return from + this.float() * (to - from);
  }

  /** A whole number, `from` and `to` included. */
  integer(from: number, to: number): number {
    return from + Math.floor(this.float() * (to - from + 1));
  }

  /** True with this probability. Draws a number in any case, so that another probability changes nothing after it. */
  chance(probability: number): boolean {
    return this.float() < probability;
  }

  pick<const T>(values: readonly T[]): T {
    if (values.length === 0) throw new RangeError('nothing to pick from');
    return values[this.integer(0, values.length - 1)] as T;
  }

  /** The wait for the next event of a Poisson process. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.float());
  }

  /** Independent from now on: how often one is drawn from does not change what the other gives. */
  fork(): Random {
    return new Random(this.integer(0, 2 ** 32 - 1));
  }
}

/** Runs something that takes chance from `Math.random`, as the program does: the same for the same seed. */
export async function withMathRandom<T>(random: Random, run: () => Promise<T>): Promise<T> {
  const chance = Math.random;
  Math.random = () => random.float();
  try {
    return await run();
  } finally {
    Math.random = chance;
  }
}

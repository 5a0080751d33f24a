/** A fragment as it is kept: whole, with its bytes as the producer sent them. */
export interface StoredFragment {
  readonly fragmentNumber: string;
  /** When the service began to receive it, milliseconds since the Unix epoch. */
  readonly serverTimestampMillis: number;
  /** When it had received it. */
  readonly serverEndMillis: number;
  /** When the producer recorded it, by the producer's clock, milliseconds since the Unix epoch. */
  readonly producerTimestampMillis: number;
  readonly producerEndMillis: number;
  /** Of the Cluster, as the producer sent it, milliseconds. */
  readonly timecodeMillis: number;
  /** From the EBML header up to the first Cluster; all fragments of a connection share it. */
  readonly header: Buffer;
  /** The Cluster and what followed it: the producer's tags. */
  readonly content: Buffer;
}

/** The stored fragments of one stream, in the order of their numbers. Positions are fragment numbers, '' the start. */
export class FragmentLog {
  readonly #fragments: StoredFragment[] = [];
  #bytes = 0;
  #evictedThrough = '';
  #last = '';

  get fragments(): readonly StoredFragment[] {
    return this.#fragments;
  }

  /** Of all fragments; a header counts once for every fragment that has it. */
  get bytes(): number {
    return this.#bytes;
  }

  get oldest(): StoredFragment | undefined {
    return this.#fragments[0];
  }

  /** The number of the last fragment that was stored, kept or not. */
  get last(): string {
    return this.#last;
  }

  /** The number of the last fragment that is no longer kept. */
  get evictedThrough(): string {
    return this.#evictedThrough;
  }

  /** @param fragment whose number is larger than that of all before */
  append(fragment: StoredFragment): void {
    this.#fragments.push(fragment);
    this.#bytes += sizeOf(fragment);
    this.#last = fragment.fragmentNumber;
  }

  evictOldest(): void {
    const evicted = this.#fragments.shift();
    if (evicted === undefined) return;
    this.#bytes -= sizeOf(evicted);
    this.#evictedThrough = evicted.fragmentNumber;
  }

  has(fragmentNumber: string): boolean {
    return this.#fragments[this.#indexAfter(fragmentNumber) - 1]?.fragmentNumber === fragmentNumber;
  }

  /** The kept fragment that comes next; undefined at the tip. */
  after(position: string): StoredFragment | undefined {
    return this.#fragments[this.#indexAfter(position)];
  }

  /** The position from which `after` gives the first fragment that `matches`; the tip if none does. */
  before(matches: (fragment: StoredFragment, next: StoredFragment | undefined) => boolean): string {
    const index = this.#fragments.findIndex((fragment, at) => matches(fragment, this.#fragments[at + 1]));
    if (index === -1) return this.#last;
    return this.#fragments[index - 1]?.fragmentNumber ?? this.#evictedThrough;
  }

  /** Binary search: readers ask for every fragment, and a log may hold thousands. */
  #indexAfter(position: string): number {
    let low = 0;
    let high = this.#fragments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#fragments[middle] as StoredFragment).fragmentNumber <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function sizeOf({ header, content }: StoredFragment): number {
  return header.length + content.length;
}

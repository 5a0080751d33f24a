/** Asks for the next item while the last one is being used, so that it is ready when its time comes. */
export class ReadAhead<T> {
  readonly #iterator: AsyncIterator<T>;
  #upcoming: Promise<IteratorResult<T>>;

  constructor(iterable: AsyncIterable<T>) {
    this.#iterator = iterable[Symbol.asyncIterator]();
    this.#upcoming = this.#ask();
  }

  /** The next item; undefined at the end. Must not be called again before it resolves. */
  async next(): Promise<T | undefined> {
    const { done, value } = await this.#upcoming;
    if (done === true) return undefined;
    this.#upcoming = this.#ask();
    return value;
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }

  #ask(): Promise<IteratorResult<T>> {
    const upcoming = this.#iterator.next();
    // A failure is reported when the item is asked for, which may be never.
    upcoming.catch(() => {});
    return upcoming;
  }
}

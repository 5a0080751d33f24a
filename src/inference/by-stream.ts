/** Things of streams, each stream's in the order in which they came; a stream that has none is not there. */
export class ByStream<T> {
  readonly #streams = new Map<string, Set<T>>();

  get streamNames(): Iterable<string> {
    return this.#streams.keys();
  }

  get isEmpty(): boolean {
    return this.#streams.size === 0;
  }

  of(streamName: string): readonly T[] {
    return [...(this.#streams.get(streamName) ?? [])];
  }

  /** @returns the stream's oldest */
  first(streamName: string): T | null {
    const [first] = this.#streams.get(streamName) ?? [];
    return first ?? null;
  }

  add(streamName: string, thing: T): void {
    this.#streams.set(streamName, (this.#streams.get(streamName) ?? new Set()).add(thing));
  }

  delete(streamName: string, thing: T): void {
    const things = this.#streams.get(streamName);
    things?.delete(thing);
    if (things?.size === 0) this.#streams.delete(streamName);
  }
}

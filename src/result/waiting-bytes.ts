/** A stream whose results are held up leaves the others room. */
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_BYTES_PER_STREAM = 8 * 1024 * 1024;

/** Of the results that are not published yet. */
export class WaitingBytes {
  #bytes = 0;
  /** Only those of which something waits. */
  readonly #byStream = new Map<string, number>();
  /** Called when results wait no more. */
  readonly #onRoom = new Set<() => void>();

  add(streamName: string, bytes: number): void {
    this.#bytes += bytes;
    this.#byStream.set(streamName, (this.#byStream.get(streamName) ?? 0) + bytes);
  }

  /** Of what was added. */
  remove(streamName: string, bytes: number): void {
    this.#bytes -= bytes;
    const left = (this.#byStream.get(streamName) ?? 0) - bytes;
    if (left === 0) this.#byStream.delete(streamName);
    else this.#byStream.set(streamName, left);
    for (const wake of this.#onRoom) wake();
  }

  /**
   * Waits while too much of the stream, or of all, waits.
   *
   * @throws the reason of `signal` if it aborts before
   */
  async room(streamName: string, signal: AbortSignal): Promise<void> {
    while (!this.#hasRoom(streamName)) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#onRoom.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#onRoom.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  #hasRoom(streamName: string): boolean {
    const own = this.#byStream.get(streamName) ?? 0;
    return this.#bytes < MAX_BYTES && own < MAX_BYTES_PER_STREAM;
  }
}

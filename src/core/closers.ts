/** What has been started, to be ended in reverse order. */
export class Closers {
  readonly #closers: Array<() => Promise<void>> = [];

  /** @returns the service, which is closed with the others */
  add<T extends { close(): Promise<void> }>(service: T): T {
    this.defer(() => service.close());
    return service;
  }

  defer(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  /** Ends everything, also if something fails to end; then rejects with the first failure. May be called again. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.splice(0).reverse()) {
      await close().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** What goes on in the background: nothing of it is lost sight of, and no failure is silent. */
export class Tasks {
  readonly #running = new Set<Promise<void>>();
  #failures: unknown[] = [];

  /** @param abandon called if the task fails */
  add(task: Promise<void>, abandon: () => void): void {
    const settled = task
      .catch((error: unknown) => {
        this.#failures.push(error);
        abandon();
      })
      .finally(() => this.#running.delete(settled));
    this.#running.add(settled);
  }

  /** Waits for all. @throws {AggregateError} if any failed since the last time */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
    const failures = this.#failures;
    this.#failures = [];
    if (failures.length > 0) throw new AggregateError(failures, `${failures.length} connections failed`);
  }
}

type Listener = () => void;

/**
 * What is to be done when signals abort. To add a listener to an AbortSignal takes longer the more it has, and to remove
 * it again, too; a stream has thousands of frames that wait for the same one. Here a signal has one, whatever there is to
 * be done.
 */
export class AbortListeners {
  readonly #groups = new Map<AbortSignal, { listeners: Set<Listener>; onAbort: Listener }>();

  /** @param signal has not aborted yet */
  add(signal: AbortSignal, listener: Listener): void {
    const group = this.#groups.get(signal);
    if (group !== undefined) {
      group.listeners.add(listener);
      return;
    }
    const listeners = new Set([listener]);
    const onAbort = () => {
      for (const each of listeners) each();
      this.#groups.delete(signal);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#groups.set(signal, { listeners, onAbort });
  }

  /** One that is not there is no mistake. */
  remove(signal: AbortSignal, listener: Listener): void {
    const group = this.#groups.get(signal);
    if (group === undefined) return;
    group.listeners.delete(listener);
    if (group.listeners.size > 0) return;
    signal.removeEventListener('abort', group.onAbort);
    this.#groups.delete(signal);
  }
}

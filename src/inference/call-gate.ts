/** A frame that stands before it. */
interface Waiting {
  readonly pass: (isOpen: boolean) => void;
}

/**
 * What frames pass, one after the other, that are ready for the endpoint: so many are behind it at once, and nobody
 * passes while it is closed.
 */
export class CallGate {
  readonly #waiting = new Set<Waiting>();
  #limit: number;
  #passed = 0;
  #isOpen = true;

  /** @param limit how many may be behind it at once */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whoever is behind it stays there. */
  set limit(limit: number) {
    this.#limit = limit;
    this.#letPass();
  }

  /** When it is closed, those that stand before it are sent away. */
  set isOpen(isOpen: boolean) {
    this.#isOpen = isOpen;
    if (isOpen) return;
    for (const { pass } of [...this.#waiting]) pass(false);
  }

  /**
   * Resolves to true when it is passed: then `leave` is to be called, once. Resolves to false if it is closed.
   *
   * @param signal ends the wait
   * @throws the reason of `signal`, if it has aborted and there is no room, or aborts before there is
   */
  async pass(signal: AbortSignal): Promise<boolean> {
    if (!this.#isOpen) return false;
    if (this.#passed < this.#limit && this.#waiting.size === 0) {
      this.#passed += 1;
      return true;
    }
    signal.throwIfAborted();
    return await new Promise<boolean>((resolve, reject) => {
      const stopWaiting = () => {
        this.#waiting.delete(waiting);
        signal.removeEventListener('abort', giveUp);
      };
      const waiting: Waiting = {
        pass: (isOpen) => {
          stopWaiting();
          if (isOpen) this.#passed += 1;
          resolve(isOpen);
        },
      };
      const giveUp = () => {
        stopWaiting();
        reject(signal.reason);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      this.#waiting.add(waiting);
    });
  }

  leave(): void {
    this.#passed -= 1;
    this.#letPass();
  }

  #letPass(): void {
    for (const { pass } of this.#waiting) {
      if (!this.#isOpen || this.#passed >= this.#limit) return;
      pass(true);
    }
  }
}

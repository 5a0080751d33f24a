import type { Denial } from '../worker/access-denied.ts';

/** What the clients tell of errors: which permission was missing. */
export class Denials {
  readonly #byError = new WeakMap<object, Denial>();

  /** To be handed to the clients. */
  readonly note = (denial: Denial, error: unknown): void => {
    if (typeof error === 'object' && error !== null) this.#byError.set(error, denial);
  };

  /** Null for an error that is none of them. */
  of(error: unknown): Denial | null {
    return typeof error === 'object' && error !== null ? (this.#byError.get(error) ?? null) : null;
  }
}

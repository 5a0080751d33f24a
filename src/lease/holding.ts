import type { Lease } from './lease.ts';
import type { Successor } from './lease-writes.ts';

/** What a worker does with a lease while it has it. */
export interface Holding {
  /** As it was taken. */
  readonly lease: Lease;
  /** Measures the values of now. To be called at every metrics interval. */
  report(): void;
  /**
   * Brings the work to an end, writes the last checkpoint and lets the lease go.
   *
   * @param successor asked when the work has ended: who was to have the lease may be gone by then
   * @throws {LeaseLostError} if it was not ours any more; the work has ended all the same
   */
  handOver(successor: () => Successor, limits: HandOverLimits): Promise<void>;
  /** Ends the work at once: the lease is not ours any more. Nothing is published after the call. */
  end(): Promise<void>;
}

export interface HandOverLimits {
  /** Do what waits for its turn too, not only what is in flight. */
  readonly finishWaiting: boolean;
  /** For what is to be finished; the rest is left to the next owner. */
  readonly millis: number;
}

const MAX_PACE_MILLIS = 10_000;

/**
 * What everything that must not wait long is measured in: the fail-over time, but not where that is very long. A
 * patient fail-over is no reason to hand over, to balance or to leave slowly.
 */
export function paceOf(failoverTimeMillis: number): number {
  return Math.min(failoverTimeMillis, MAX_PACE_MILLIS);
}

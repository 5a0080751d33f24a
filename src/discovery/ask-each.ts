import { concurrently } from '../core/concurrently.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { isTransientAwsError } from '../core/retry.ts';

const CONCURRENCY = 10;
/** After as many the service cannot be reached, and those that are left are not asked for. */
const MAX_FAILURES_IN_A_ROW = CONCURRENCY;
const MAX_LOGGED_STREAMS = 20;

/**
 * Asks about each stream, some at a time, and sets the failures apart.
 *
 * @throws only what `signal` aborts with
 */
export async function askEach<T>(
  streams: readonly string[],
  ask: (stream: string) => Promise<T>,
  signal: AbortSignal,
): Promise<{ answers: Map<string, T>; failures: Map<string, unknown> }> {
  const answers = new Map<string, T>();
  const failures = new Map<string, unknown>();
  let lastError: unknown;
  let failuresInARow = 0;
  await concurrently(streams, CONCURRENCY, async (stream) => {
    if (failuresInARow >= MAX_FAILURES_IN_A_ROW) {
      failures.set(stream, lastError);
      return;
    }
    try {
      answers.set(stream, await ask(stream));
      failuresInARow = 0;
    } catch (error) {
      signal.throwIfAborted();
      failures.set(stream, error);
      if (!isTransientAwsError(error)) return;
      lastError = error;
      failuresInARow += 1;
    }
  });
  return { answers, failures };
}

/** Counts the failures, and writes a line for each kind of error. */
export function reportFailures(
  failures: ReadonlyMap<string, unknown>,
  problem: string,
  { log, metrics }: { log: Logger; metrics: Metrics },
): void {
  if (failures.size === 0) return;
  metrics.count('DiscoveryErrors', null, failures.size);
  const kinds = new Map<string, { message: string; streams: string[] }>();
  for (const [stream, error] of failures) {
    const kind = kinds.get(errorName(error)) ?? { message: errorMessage(error), streams: [] };
    kinds.set(errorName(error), kind);
    kind.streams.push(stream);
  }
  for (const [error, { message, streams }] of kinds) {
    log.error({ error, ...listed(streams) }, `${problem}: ${message}`);
  }
}

/** How many streams, and the first of them. */
function listed(streams: readonly string[]): { count: number; streams: readonly string[] } {
  return { count: streams.length, streams: streams.slice(0, MAX_LOGGED_STREAMS) };
}

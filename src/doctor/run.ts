import PQueue from 'p-queue';
import { type Clock, withTimeout } from '../core/clock.ts';
import { errorName } from '../core/errors.ts';
import { isTransientAwsError, retry } from '../core/retry.ts';
import type { Check, Finding, Outcome } from './check.ts';
import type { Denials } from './denials.ts';
import { verdictOf, verdictOfDenial } from './verdict.ts';

export interface RunOptions {
  clock: Clock;
  /** That the clients have told of. */
  denials: Pick<Denials, 'of'>;
  /** Of each check that has none of its own, milliseconds. */
  timeoutMillis?: number;
  /** Is told whenever a check starts or ends. */
  onProgress?: (progress: Progress) => void;
}

export interface Progress {
  /** Under way, the longest first. */
  readonly running: readonly Check[];
  /** Checks that have ended. */
  readonly done: number;
  /** All that are known of so far. */
  readonly known: number;
}

const TIMEOUT_MILLIS = 10_000;
/** Far below what the services allow an account in a second. */
const CONCURRENCY = 10;
/** A throttled call, or a reset connection, says nothing of what the configuration needs. */
const RETRIES = { attempts: 3, baseDelayMillis: 200, maxDelayMillis: 2000 };

/**
 * Runs checks and those that follow from them, some at a time; one that fails stops none but those that follow from
 * it.
 *
 * @returns the findings in the order of the checks, each before those that follow from it
 * @throws only what `signal` aborts with, when nothing is under way any more
 */
export async function runChecks(
  checks: readonly Check[],
  { clock, denials, timeoutMillis = TIMEOUT_MILLIS, onProgress }: RunOptions,
  signal: AbortSignal,
): Promise<Finding[]> {
  const queue = new PQueue({ concurrency: CONCURRENCY });
  const running = new Set<Check>();
  let done = 0;
  let known = 0;
  const report = () => onProgress?.({ running: [...running], done, known });

  const outcomeOf = async (check: Check): Promise<Outcome> => {
    running.add(check);
    report();
    try {
      const limit = check.timeoutMillis ?? timeoutMillis;
      return await withTimeout(clock, limit, signal, (limited) => persistently(check, clock, limited));
    } catch (error) {
      signal.throwIfAborted();
      const denial = denials.of(error);
      if (denial === null) return verdictOf(error);
      return { ...verdictOfDenial(error, denial), next: check.whenDenied ?? [] };
    } finally {
      running.delete(check);
      done += 1;
      report();
    }
  };
  const runAll = async (some: readonly Check[]): Promise<Finding[]> => {
    known += some.length;
    const findings = await Promise.all(some.map(runOne));
    return findings.flat();
  };
  const runOne = async (check: Check): Promise<Finding[]> => {
    const { next = [], ...verdict } = await queue.add(() => outcomeOf(check));
    return [{ check: check.name, target: check.target, ...verdict }, ...(await runAll(next))];
  };

  try {
    return await runAll(checks);
  } finally {
    await queue.onIdle();
  }
}

async function persistently(check: Check, clock: Clock, signal: AbortSignal): Promise<Outcome> {
  return await retry(() => check.run(signal), {
    clock,
    signal,
    ...RETRIES,
    attempts: check.attempts ?? RETRIES.attempts,
    isRetryable: (error) => isTransientAwsError(error) && errorName(error) !== 'TIMEOUT',
  });
}

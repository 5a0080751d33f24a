import type { PolicyStatement } from '../core/access-denied.ts';

/** How a check ended: all is right; it works, but a person should know; it does not work. */
export type Result = 'ok' | 'warning' | 'error';

/** A row of the table. */
export interface Finding {
  /** What was used, as the API calls it, such as `GetMedia`. */
  readonly check: string;
  /** On what: the stream, table, endpoint … */
  readonly target: string;
  readonly result: Result;
  /** What came, or went wrong. */
  readonly detail: string;
  /** What to do; null where nothing is to be done, or `detail` says it. */
  readonly remedy: string | null;
  /** What the role or user lacks, where that is what is wrong. */
  readonly statement: PolicyStatement | null;
}

export type Verdict = Pick<Finding, 'result' | 'detail' | 'remedy' | 'statement'>;

/** What a check found, and what can be checked now that this is known. */
export interface Outcome extends Verdict {
  readonly next?: readonly Check[];
}

/** One harmless use of one thing. */
export interface Check {
  readonly name: string;
  readonly target: string;
  /** Instead of the limit that all checks have, milliseconds. */
  readonly timeoutMillis?: number;
  /** Instead of the attempts that all checks have, the first included. */
  readonly attempts?: number;
  /** What can be checked even if this is not permitted. */
  readonly whenDenied?: readonly Check[];
  /** @throws whatever the call failed with: see verdictOf */
  run(signal: AbortSignal): Promise<Outcome>;
}

export function ok(detail: string): Verdict {
  return { result: 'ok', detail, remedy: null, statement: null };
}

export function warning(detail: string, remedy: string | null = null): Verdict {
  return { result: 'warning', detail, remedy, statement: null };
}

export function failed(detail: string, remedy: string | null): Verdict {
  return { result: 'error', detail, remedy, statement: null };
}

/** What is known without a call. */
export function known(name: string, target: string, verdict: Verdict): Check {
  return { name, target, run: async () => verdict };
}

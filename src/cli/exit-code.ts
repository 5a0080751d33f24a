import { UsageError } from '../core/errors.ts';

/** Of every command: done, failed, wrongly used. */
export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export type ExitCode = typeof EXIT_OK | typeof EXIT_FAILED | typeof EXIT_USAGE;

export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
}

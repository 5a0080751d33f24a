import { errorMessage, KvsInferenceError } from '../core/errors.ts';
import { createLogger } from '../core/log.ts';
import { denialOf } from '../worker/access-denied.ts';

/**
 * Says why the worker cannot go on: one JSON line, which CloudWatch shows as one event, at any log level. What a user
 * can mend comes without a stack.
 */
export function logFatal(error: unknown): void {
  const log = createLogger('fatal');
  // Each line of a message of several, such as the problems of a configuration, is a part of it.
  const reason = errorMessage(error).replaceAll(/:?\n\s*/g, '; ');
  const message = `the worker cannot go on: ${reason}`;
  if (!(error instanceof KvsInferenceError)) {
    log.fatal({ err: error }, message);
    return;
  }
  const { code, details } = error;
  const denial = denialOf(error.cause, null);
  if (denial === null) log.fatal({ code, ...details }, message);
  else log.fatal({ code, statement: denial.statement }, `${message}; ${denial.remedy}`);
}

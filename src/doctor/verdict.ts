import { errorMessage, errorName, errorText } from '../core/errors.ts';
import { THROTTLING_NAMES } from '../core/retry.ts';
import { DISPENSABLE } from '../discovery/dispensable.ts';
import type { Denial } from '../worker/access-denied.ts';
import { failed, type Verdict, warning } from './check.ts';

const BAD_CREDENTIALS = new Set([
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
]);

/** Of a connection that is not made, or breaks: Node.js's codes, the SDK's name, and that of our own limits. */
const UNREACHABLE = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
  'TIMEOUT',
  'TimeoutError',
]);

/** What an error of a call means, as far as all services have it in common. Pure. */
export function verdictOf(error: unknown): Verdict {
  const cause = firstOf(error);
  const name = errorName(cause);
  const problem = `${name}: ${errorMessage(cause)}`;
  if (BAD_CREDENTIALS.has(name))
    return failed(problem, 'sign in again, or look at the clock of this machine');
  if (THROTTLING_NAMES.has(name)) {
    return warning(`throttled, so it was not seen whether it works: ${problem}`, 'run doctor again later');
  }
  if (UNREACHABLE.has(name)) {
    return failed(
      problem,
      'nobody answered to the end: is there a way to the service (route, security group, VPC endpoint, DNS)?',
    );
  }
  return failed(problem, null);
}

/** Pure. @param denial which permission was missing: a warning where the worker can do without */
export function verdictOfDenial(error: unknown, { statement, remedy }: Denial): Verdict {
  const problem = errorText(error);
  const substitute = DISPENSABLE.get(statement.Action);
  const verdict =
    substitute === undefined
      ? failed(problem, remedy)
      : warning(`without this permission ${substitute}: ${problem}`, remedy);
  // No statement allows what another one denies.
  return { ...verdict, statement: /explicit deny/i.test(problem) ? null : statement };
}

/** Of a host with several addresses, of which none can be reached: what came of the first. */
function firstOf(error: unknown): unknown {
  const { errors: [first] = [] } = error as { errors?: unknown[] };
  return first ?? error;
}

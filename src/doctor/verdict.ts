import { errorMessage, errorName, httpStatusOf } from '../core/errors.ts';
import { THROTTLING_NAMES } from '../core/retry.ts';
import type { Denial } from '../worker/access-denied.ts';
import { mend, type Verdict, warning } from './check.ts';

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

/**
 * What an error of a call means, as far as all services have it in common. Pure.
 *
 * @param denial which permission was missing, where that is known
 */
export function verdictOf(error: unknown, denial: Denial | null): Verdict {
  const name = errorName(error);
  const problem = `${name}: ${errorMessage(error)}`;
  if (denial !== null) {
    // No statement allows what another one denies.
    const statement = /explicit deny/i.test(problem) ? null : denial.statement;
    return { ...mend(problem, denial.remedy), statement };
  }
  if (BAD_CREDENTIALS.has(name)) return mend(problem, 'sign in again, or look at the clock of this machine');
  if (THROTTLING_NAMES.has(name)) {
    return warning(`throttled, so it was not seen whether it works: ${problem}`, 'run doctor again later');
  }
  if (httpStatusOf(error) === undefined) {
    return mend(
      problem,
      'nobody answered to the end: is there a way to the service (route, security group, VPC endpoint, DNS)?',
    );
  }
  return mend(problem, null);
}

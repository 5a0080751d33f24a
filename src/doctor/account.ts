import type { SSMClient } from '@aws-sdk/client-ssm';
import { errorMessage } from '../core/errors.ts';
import { type Check, failed, ok } from './check.ts';

/** What all calls need: a region and credentials, which the SDK finds without a call of AWS's. */
export function accountCheck(
  { config }: { config: Pick<SSMClient['config'], 'region' | 'credentials'> },
  next: readonly Check[],
): Check {
  return {
    name: 'credentials',
    target: 'AWS',
    async run() {
      let region: string;
      try {
        region = await config.region();
      } catch (error) {
        return failed(`no region: ${errorMessage(error)}`, 'set AWS_REGION');
      }
      try {
        const { accountId } = await config.credentials();
        const account = accountId === undefined ? '' : `, account ${accountId}`;
        return { ...ok(`region ${region}${account}`), next };
      } catch (error) {
        const problem = `region ${region}, no credentials: ${errorMessage(error)}`;
        return failed(problem, 'sign in, or give the task a role (taskRoleArn)');
      }
    },
  };
}

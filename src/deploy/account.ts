import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { errorMessage, errorName, UsageError } from '../core/errors.ts';
import type { Clients } from './clients.ts';

export interface Account {
  readonly account: string;
  readonly region: string;
  /** Who calls. */
  readonly arn: string;
}

/** @throws {UsageError} if there are no credentials that work, or no region */
export async function findAccount(
  { cloudFormation, sts }: Pick<Clients, 'cloudFormation' | 'sts'>,
  signal: AbortSignal,
): Promise<Account> {
  let region: string;
  try {
    region = await cloudFormation.config.region();
  } catch (error) {
    throw new UsageError('no region: give --region, or set AWS_REGION', { cause: error });
  }
  try {
    const { Account: account = '', Arn: arn = '' } = await sts.send(new GetCallerIdentityCommand({}), {
      abortSignal: signal,
    });
    return { account, region, arn };
  } catch (error) {
    signal.throwIfAborted();
    throw new UsageError(
      `AWS does not know who you are (${errorName(error)}: ${errorMessage(error)}): sign in with \`aws login\` or \`aws sso login\`, or set AWS_PROFILE`,
      { cause: error },
    );
  }
}

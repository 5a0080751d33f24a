import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { errorName, errorText, httpStatusOf, UsageError } from '../core/errors.ts';
import type { Clients } from './clients.ts';

export interface Account {
  readonly account: string;
  readonly region: string;
  /** Who calls. */
  readonly arn: string;
}

/** @throws {UsageError} if there are no credentials that work, no region, or nobody there who answers */
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
    const what = errorText(error);
    // The SDK's providers of credentials have asked nobody, or somebody else.
    const isAnswer = httpStatusOf(error) !== undefined || errorName(error).endsWith('ProviderError');
    throw new UsageError(
      isAnswer
        ? `AWS does not know who you are (${what}): sign in with \`aws login\` or \`aws sso login\`, or set AWS_PROFILE`
        : `AWS does not answer in ${region} (${what}): is that a region, and is the network there?`,
      { cause: error },
    );
  }
}

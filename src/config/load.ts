import { GetParameterCommand, ParameterNotFound, type SSMClient } from '@aws-sdk/client-ssm';
import { type Clock, withTimeout } from '../core/clock.ts';
import { errorName, errorText, KvsInferenceError, UsageError } from '../core/errors.ts';
import { isTransientAwsError } from '../core/retry.ts';
import type { Config } from './resolve.ts';
import { configKeys } from './schema.ts';

const TIMEOUT_MILLIS = 10_000;

/** The one call of SSM that is needed. */
export type ParameterReader = Pick<SSMClient, 'send'>;

/**
 * Reads the text of an SSM parameter
 * (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html).
 *
 * @throws {UsageError} if there is no such parameter
 * @throws {KvsInferenceError} PARAMETER_UNREADABLE for any other failure
 */
export async function readParameter(
  ssm: ParameterReader,
  name: string,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<string> {
  try {
    const command = new GetParameterCommand({ Name: name, WithDecryption: true });
    const { Parameter } = await withTimeout(clock, TIMEOUT_MILLIS, signal, (abortSignal) =>
      ssm.send(command, { abortSignal }),
    );
    return Parameter?.Value ?? '';
  } catch (error) {
    if (error instanceof ParameterNotFound || errorName(error) === 'ParameterNotFound') {
      throw new UsageError(`ssm:${name}: there is no such parameter`, { cause: error });
    }
    const problem = `ssm:${name} cannot be read: ${errorText(error)}`;
    const retryable = isTransientAwsError(error);
    throw new KvsInferenceError('PARAMETER_UNREADABLE', problem, { cause: error, retryable });
  }
}

/** The application's name: the last path segment of the parameter's, `/team/my-app` → `my-app`. */
export function applicationName(parameterName: string): string {
  return parameterName.split('/').filter(Boolean).at(-1) ?? parameterName;
}

/** Where the leases are kept. @throws {UsageError} if the application's name is none for a table */
export function leaseTableName(config: Pick<Config, 'leaseTable'>, parameterName: string): string {
  const name = config.leaseTable ?? applicationName(parameterName);
  const { success } = configKeys.shape.leaseTable.safeParse(name);
  if (success) return name;
  throw new UsageError(
    `ssm:${parameterName}: leaseTable is needed, as "${name}" is no name for a DynamoDB table`,
  );
}

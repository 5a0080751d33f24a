import { DeleteParameterCommand, PutParameterCommand, type SSMClient } from '@aws-sdk/client-ssm';
import { KvsInferenceError } from '../core/errors.ts';
import { type Context, say } from './context.ts';
import type { Plan } from './plan.ts';

/**
 * Puts the SSM parameter that is in the stack's way aside, and back if there is to be no stack: CloudFormation makes no
 * parameter that is there already.
 *
 * @param change returns whether it was made
 * @returns the same
 */
export async function withoutForeign(
  { foreign, appName: Name }: Pick<Plan, 'foreign' | 'appName'>,
  ssm: Pick<SSMClient, 'send'>,
  change: () => Promise<boolean>,
  context: Context,
): Promise<boolean> {
  if (foreign?.Value === undefined) return await change();
  const { Value, Type } = foreign;
  // Should this program end here, it is not lost.
  say(context, `the SSM parameter ${Name} was: ${Value}`);
  await ssm.send(new DeleteParameterCommand({ Name }));
  const putBack = async () => {
    await ssm.send(new PutParameterCommand({ Name, Value, Type }));
    say(context, `the SSM parameter ${Name} is as it was`);
  };
  try {
    const isDone = await change();
    if (!isDone) await putBack();
    return isDone;
  } catch (error) {
    // CloudFormation goes on without us: the stack will have its own.
    const isGoingOn = error instanceof KvsInferenceError && error.code === 'INTERRUPTED';
    if (!isGoingOn) await putBack();
    throw error;
  }
}

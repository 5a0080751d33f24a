import { CreateServiceLinkedRoleCommand, GetRoleCommand, type IAMClient } from '@aws-sdk/client-iam';
import { errorName, errorText } from '../../core/errors.ts';
import { type Finding, notChecked, ok, problem } from './finding.ts';

type Iam = Pick<IAMClient, 'send'>;

const WHAT = 'role AWSServiceRoleForECS';

/**
 * The role with which ECS gives tasks their network. A service in a new account fails without it
 * (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles-for-clusters.html). The one of
 * Application Auto Scaling is created with the scalable target.
 *
 * @param isWanted asked whether a missing one is to be created
 */
export async function checkServiceRole(
  iam: Iam,
  isWanted: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<Finding> {
  try {
    const command = new GetRoleCommand({ RoleName: 'AWSServiceRoleForECS' });
    await iam.send(command, { abortSignal: signal });
    return ok(WHAT, 'there');
  } catch (error) {
    if (errorName(error) !== 'NoSuchEntityException') return notChecked(WHAT, error);
  }
  if (!(await isWanted())) {
    const command = 'aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com';
    return problem(
      WHAT,
      `this account has none; create it with --create-service-linked-role, or: ${command}`,
    );
  }
  try {
    const command = new CreateServiceLinkedRoleCommand({ AWSServiceName: 'ecs.amazonaws.com' });
    await iam.send(command, { abortSignal: signal });
    return ok(WHAT, 'created');
  } catch (error) {
    return problem(WHAT, `cannot be created: ${errorText(error)}`);
  }
}

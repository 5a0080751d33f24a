import {
  type CloudFormationClient,
  DescribeStacksCommand,
  GetTemplateCommand,
  paginateListStackResources,
  type Stack,
} from '@aws-sdk/client-cloudformation';
import { errorMessage, errorName, KvsInferenceError, UsageError } from '../core/errors.ts';
import type { ParameterValues } from './parameters.ts';
import { parseTemplate, type Template } from './template.ts';

export interface StackResource {
  readonly logicalId: string;
  readonly physicalId: string;
  readonly type: string;
  /** Such as `CREATE_COMPLETE`. */
  readonly status: string;
}

/** How the description of each of our templates begins. */
const DESCRIPTION = 'kvs-inference: ';

/** The parameter that only the template of the application has. */
export const APPLICATION_PARAMETER = 'StreamNames';

/** https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html; null: no such stack */
export async function describeStack(
  cloudFormation: CloudFormationClient,
  stackName: string,
  signal: AbortSignal,
): Promise<Stack | null> {
  const command = new DescribeStacksCommand({ StackName: stackName });
  try {
    const { Stacks } = await cloudFormation.send(command, { abortSignal: signal });
    return Stacks?.[0] ?? null;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** How CloudFormation says that there is no such stack. */
export function isMissing(error: unknown): boolean {
  return errorName(error) === 'ValidationError' && errorMessage(error).includes('does not exist');
}

/**
 * `none`, too, where nothing is there yet but a change set; `failed`: good for nothing but to be deleted; `stuck`: its
 * update could not be rolled back; `busy`: something is under way.
 */
export type StackState = 'none' | 'usable' | 'failed' | 'stuck' | 'busy';

/** What can be done with a stack. Pure. */
export function stackState(stack: Stack | null): StackState {
  const status: string = stack?.StackStatus ?? 'REVIEW_IN_PROGRESS';
  if (status === 'REVIEW_IN_PROGRESS') return 'none';
  if (status.endsWith('_IN_PROGRESS')) return 'busy';
  if (/^(CREATE_FAILED|ROLLBACK_COMPLETE|ROLLBACK_FAILED|DELETE_FAILED)$/.test(status)) return 'failed';
  return status === 'UPDATE_ROLLBACK_FAILED' ? 'stuck' : 'usable';
}

/**
 * Whether the stack was made with the template that has this parameter, and for this application. Its name may be that
 * of anything, and other templates have a parameter AppName, too.
 */
export function isOurs(stack: Stack, appName: string, parameter: string): boolean {
  const parameters = parametersOf(stack);
  return (
    stack.Description?.startsWith(DESCRIPTION) === true &&
    parameters['AppName'] === appName &&
    parameters[parameter] !== undefined
  );
}

/**
 * @param remedy what to do if it is another one's
 * @param parameter that only the stack's template has
 * @throws {UsageError} saying whose it is
 */
export function requireOurs(stack: Stack, appName: string, remedy: string, parameter: string): void {
  if (isOurs(stack, appName, parameter)) return;
  const owner = parametersOf(stack)['AppName'] ?? appName;
  const isApplication = owner !== appName && isOurs(stack, owner, parameter);
  const isSibling = isOurs(stack, appName, 'AppName');
  const whose = isApplication
    ? `is that of ${owner}`
    : isSibling
      ? "is another one of kvs-inference's"
      : `is none of kvs-inference's for ${appName}`;
  throw new UsageError(`stack ${stack.StackName} ${whose}, and is left alone: ${remedy}`);
}

/** @throws {KvsInferenceError} STACK_STATE where nothing can be changed now, with what to do */
export function requireDeployable(stack: Stack | null): void {
  const { StackName: name, StackStatus: status, StackId: stackId = '' } = stack ?? {};
  const state = stackState(stack);
  if (state !== 'busy' && state !== 'stuck') return;
  const remedy =
    state === 'busy'
      ? 'wait until that is over'
      : `mend what its events tell of, and then: aws cloudformation continue-update-rollback --stack-name ${name} --region ${regionOf(stackId)}`;
  throw new KvsInferenceError('STACK_STATE', `stack ${name} is ${status}: ${remedy}`);
}

export function parametersOf(stack: Stack | null): ParameterValues {
  return Object.fromEntries(
    (stack?.Parameters ?? []).map(({ ParameterKey = '', ParameterValue = '' }) => [
      ParameterKey,
      ParameterValue,
    ]),
  );
}

export function outputsOf(stack: Stack | null): Readonly<Record<string, string>> {
  return Object.fromEntries(
    (stack?.Outputs ?? []).map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]),
  );
}

/** The template that the stack was made with, as it was given. */
export async function templateOf(
  cloudFormation: CloudFormationClient,
  stackName: string,
  signal: AbortSignal,
): Promise<Template> {
  const command = new GetTemplateCommand({ StackName: stackName, TemplateStage: 'Original' });
  const { TemplateBody = '' } = await cloudFormation.send(command, { abortSignal: signal });
  return parseTemplate(TemplateBody);
}

export async function stackResources(
  cloudFormation: CloudFormationClient,
  stackName: string,
  signal: AbortSignal,
): Promise<StackResource[]> {
  const resources: StackResource[] = [];
  const pages = paginateListStackResources(
    { client: cloudFormation },
    { StackName: stackName },
    { abortSignal: signal },
  );
  for await (const { StackResourceSummaries = [] } of pages) {
    for (const summary of StackResourceSummaries) {
      const { LogicalResourceId = '', PhysicalResourceId, ResourceType = '', ResourceStatus = '' } = summary;
      if (!PhysicalResourceId || ResourceStatus === 'DELETE_COMPLETE') continue;
      resources.push({
        logicalId: LogicalResourceId,
        physicalId: PhysicalResourceId,
        type: ResourceType,
        status: ResourceStatus,
      });
    }
  }
  return resources;
}

/** The region that the stack's id names, for commands that are printed. */
export function regionOf(stackId: string): string {
  return stackId.split(':')[3] ?? '';
}

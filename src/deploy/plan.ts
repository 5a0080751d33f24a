import {
  type CloudFormationClient,
  DescribeStackResourcesCommand,
  type Stack,
} from '@aws-sdk/client-cloudformation';
import type { Parameter, SSMClient } from '@aws-sdk/client-ssm';
import { configError, parseConfig } from '../config/parse.ts';
import type { Config } from '../config/resolve.ts';
import { UsageError } from '../core/errors.ts';
import {
  CONFIGURATION_RESOURCE,
  expectedPhysicalIds,
  type PhysicalIds,
  renderConfiguration,
} from './configuration.ts';
import { keepTuned, type Tuning } from './difference.ts';
import { readParameter } from './live-parameter.ts';
import { effectiveValues, type ParameterValues, ruleProblems, valueProblems } from './parameters.ts';
import {
  APPLICATION_PARAMETER,
  describeStack,
  isMissing,
  parametersOf,
  requireDeployable,
  requireOurs,
  type StackResource,
  type StackState,
  stackResources,
  stackState,
  templateOf,
} from './stacks.ts';
import type { TemplateFile } from './template.ts';

export interface PlanOptions {
  readonly file: TemplateFile;
  readonly given: ParameterValues;
  readonly stackName: string | undefined;
  readonly replaceConfig: boolean | undefined;
  readonly cloudFormation: CloudFormationClient;
  readonly ssm: Pick<SSMClient, 'send'>;
  readonly signal: AbortSignal;
}

/** What is there, and what is to be. */
export interface Plan {
  readonly appName: string;
  readonly stackName: string;
  readonly stack: Stack | null;
  readonly state: StackState;
  /** Those that the stack has now. */
  readonly previous: ParameterValues;
  /** All that it will have; the image is missing if it is to be built. */
  readonly values: ParameterValues;
  /** Those that are given, and those that keep what was tuned. */
  readonly changed: ParameterValues;
  readonly tuning: Tuning;
  readonly config: Config;
  /** What the SSM parameter holds; null: it is not there, or goes with a failed stack before it matters. */
  readonly seen: string | null;
  /** What the stack has put there last; null: it has none. */
  readonly before: string | null;
  /** What the SSM parameter of this name holds that is not the stack's; null: there is none. */
  readonly foreign: string | null;
  /** What the stack's SSM parameter should hold and does not, as somebody has deleted it; null: it is there. */
  readonly lost: string | null;
  /** Whether the SSM parameter is to change, but not the stack: CloudFormation writes no value a second time. */
  readonly isLeftAlone: boolean;
}

/** Stacks have no underscore in their names, applications may. */
export function stackNameOf(appName: string): string {
  return appName.replaceAll('_', '-');
}

/**
 * Changes nothing.
 *
 * @throws {UsageError} naming everything that is wrong with what the stack would be
 */
export async function makePlan(options: PlanOptions): Promise<Plan> {
  const { file, given, cloudFormation, signal } = options;
  const { template } = file;
  const named = given['AppName'] ?? String(template.Parameters['AppName']?.Default ?? '');
  const stackName = options.stackName ?? stackNameOf(named);
  const stack = await describeStack(cloudFormation, stackName, signal);
  const state = stackState(stack);
  requireDeployable(stack);
  const previous = state === 'usable' ? parametersOf(stack) : {};
  const wanted = effectiveValues(template, given, previous);
  const appName = wanted['AppName'] ?? '';
  if (stack !== null && state !== 'none') {
    requireOurs(stack, appName, 'choose another --stack-name', APPLICATION_PARAMETER);
  }

  const resources = state === 'none' ? [] : await stackResources(cloudFormation, stackName, signal);
  const parameter = await readParameter(options.ssm, appName, signal);
  const isOwn = resources.some((resource) => isParameter(resource, appName));
  const isForeign = parameter !== null && !isOwn;
  if (parameter !== null) requireText(parameter);
  if (isForeign) await requireNobodys(appName, options);
  // Physical ids of what this template adds are not known yet.
  const physicalIds = {
    ...expectedPhysicalIds(template, stackName),
    ...(state === 'usable' ? physicalIdsOf(resources) : {}),
  };
  const render = (values: ParameterValues) => renderConfiguration(template, values, physicalIds);
  const before =
    isOwn && state === 'usable'
      ? renderConfiguration(await templateOf(cloudFormation, stackName, signal), previous, physicalIds)
      : null;
  // What a failed stack has made of its own goes with it.
  const seen = isOwn && state === 'failed' ? null : (parameter?.Value ?? null);
  const tuning = keepTuned({
    template,
    given,
    values: wanted,
    // What is needed and missing is said below, with the rest.
    render: (values) => render({ SageMakerEndpoint: '', ...values }),
    live: seen,
    before,
    replace: options.replaceConfig === true,
  });

  const values = { ...wanted, ...tuning.parameters };
  const problems = [
    ...valueProblems(template, tuning.parameters),
    ...ruleProblems(template, { DockerImageRepository: '', ...values }),
  ];
  if (problems.length > 0) throw new UsageError(problems.join('\n'));
  const { config, problems: keyProblems } = parseConfig(tuning.next);
  if (config === null) throw configError('the new configuration', keyProblems);
  return {
    appName,
    stackName,
    stack,
    state,
    previous,
    values,
    changed: { ...given, AppName: appName, ...tuning.parameters },
    tuning,
    config,
    seen,
    before,
    foreign: isForeign ? seen : null,
    lost: seen === null ? before : null,
    isLeftAlone: before === tuning.next && tuning.rows.some((row) => row.live !== row.next),
  };
}

/** One that another stack has failed to make, as the name was taken, is not its own. */
function isParameter({ logicalId, physicalId, status }: StackResource, name: string): boolean {
  return logicalId === CONFIGURATION_RESOURCE && physicalId === name && status !== 'CREATE_FAILED';
}

function physicalIdsOf(resources: readonly StackResource[]): PhysicalIds {
  return Object.fromEntries(resources.map(({ logicalId, physicalId }) => [logicalId, physicalId]));
}

/** What is encrypted is neither decrypted nor shown. */
function requireText({ Name, Type }: Parameter): void {
  if (Type === 'String') return;
  throw new UsageError(
    `there is an SSM parameter ${Name} of type ${Type}, which is no configuration: choose another --app-name`,
  );
}

/**
 * Whoever deletes that stack later deletes the parameter by its name, and so ours.
 *
 * @throws {UsageError} if another stack owns the SSM parameter
 */
async function requireNobodys(name: string, { cloudFormation, signal }: PlanOptions): Promise<void> {
  try {
    const command = new DescribeStackResourcesCommand({ PhysicalResourceId: name });
    const { StackResources = [] } = await cloudFormation.send(command, { abortSignal: signal });
    const owner = StackResources.find(
      ({ PhysicalResourceId, ResourceType, ResourceStatus = '' }) =>
        PhysicalResourceId === name &&
        ResourceType === 'AWS::SSM::Parameter' &&
        !['CREATE_FAILED', 'DELETE_COMPLETE'].includes(ResourceStatus),
    );
    if (owner === undefined) return;
    throw new UsageError(
      `the SSM parameter ${name} is of the stack ${owner.StackName}, which would delete it one day: choose another --app-name, or delete that stack first, having saved the parameter: aws ssm get-parameter --name ${name} --query Parameter.Value --output text`,
    );
  } catch (error) {
    // How CloudFormation says that it is of no stack.
    if (!isMissing(error)) throw error;
  }
}

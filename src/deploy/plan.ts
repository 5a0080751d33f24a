import type { Stack } from '@aws-sdk/client-cloudformation';
import { GetParameterCommand, type Parameter, type SSMClient } from '@aws-sdk/client-ssm';
import { configError, parseConfig } from '../config/parse.ts';
import type { Config } from '../config/resolve.ts';
import { errorName, UsageError } from '../core/errors.ts';
import {
  CONFIGURATION_RESOURCE,
  expectedPhysicalIds,
  type PhysicalIds,
  renderConfiguration,
} from './configuration.ts';
import { keepTuned, type Tuning } from './difference.ts';
import { effectiveValues, type ParameterValues, ruleProblems } from './parameters.ts';
import {
  describeStack,
  parametersOf,
  requireDeployable,
  type StackCaller,
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
  readonly cloudFormation: StackCaller;
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
  /** The SSM parameter of this name that is not the stack's. */
  readonly foreign: Parameter | null;
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
  const owner = parametersOf(stack)['AppName'];
  if (state !== 'none' && owner !== appName) {
    const whose = owner === undefined ? 'is none of kvs-inference' : `is that of ${owner}`;
    throw new UsageError(`stack ${stackName} ${whose}: choose another --stack-name for ${appName}`);
  }

  const current = state === 'usable' ? await currentConfiguration(stackName, previous, options) : null;
  const parameter = await readParameter(appName, options);
  const isOwn = current?.parameterName === appName;
  const physicalIds = current?.physicalIds ?? expectedPhysicalIds(template, stackName);
  const render = (values: ParameterValues) => renderConfiguration(template, values, physicalIds);
  const before = isOwn ? (current?.text ?? null) : null;
  const live = parameter?.Value ?? null;
  const tuning = keepTuned({
    template,
    given,
    values: wanted,
    // What is needed and missing is said below, with the rest.
    render: (values) => render({ SageMakerEndpoint: '', ...values }),
    live,
    before,
    replace: options.replaceConfig === true,
  });

  const values = { ...wanted, ...tuning.parameters };
  const problems = ruleProblems(template, { DockerImageRepository: '', ...values });
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
    foreign: isOwn ? null : parameter,
    lost: live === null ? before : null,
    isLeftAlone: before === tuning.next && tuning.rows.some((row) => row.live !== row.next),
  };
}

/** What the stack has put into its SSM parameter last, by the template it was made with. */
async function currentConfiguration(
  stackName: string,
  parameters: ParameterValues,
  { cloudFormation, signal, file }: PlanOptions,
): Promise<{ text: string; parameterName: string | undefined; physicalIds: PhysicalIds }> {
  const [template, resources] = await Promise.all([
    templateOf(cloudFormation, stackName, signal),
    stackResources(cloudFormation, stackName, signal),
  ]);
  const physicalIds = {
    // Resources that this template adds.
    ...expectedPhysicalIds(file.template, stackName),
    ...Object.fromEntries(resources.map(({ logicalId, physicalId }) => [logicalId, physicalId])),
  };
  const parameterName = resources.find(({ logicalId }) => logicalId === CONFIGURATION_RESOURCE)?.physicalId;
  return { text: renderConfiguration(template, parameters, physicalIds), parameterName, physicalIds };
}

async function readParameter(
  name: string,
  { ssm, signal }: Pick<PlanOptions, 'ssm' | 'signal'>,
): Promise<Parameter | null> {
  const command = new GetParameterCommand({ Name: name, WithDecryption: true });
  try {
    const { Parameter: parameter } = await ssm.send(command, { abortSignal: signal });
    return parameter ?? null;
  } catch (error) {
    if (errorName(error) === 'ParameterNotFound') return null;
    throw error;
  }
}

import {
  type CloudFormationClient,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  GetTemplateCommand,
  ListStackResourcesCommand,
  type Stack,
  type StackEvent,
} from '@aws-sdk/client-cloudformation';
import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName, KvsInferenceError } from '../core/errors.ts';
import type { ParameterValues } from './parameters.ts';
import { parseTemplate, type Template } from './template.ts';

export type StackCaller = Pick<CloudFormationClient, 'send'>;

export interface StackResource {
  readonly logicalId: string;
  readonly physicalId: string;
  readonly type: string;
}

const POLL_INTERVAL_MILLIS = 2000;

/** https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html; null: no such stack */
export async function describeStack(
  cloudFormation: StackCaller,
  stackName: string,
  signal: AbortSignal,
): Promise<Stack | null> {
  const command = new DescribeStacksCommand({ StackName: stackName });
  try {
    const { Stacks } = await cloudFormation.send(command, { abortSignal: signal });
    return Stacks?.[0] ?? null;
  } catch (error) {
    if (errorName(error) === 'ValidationError' && errorMessage(error).includes('does not exist')) return null;
    throw error;
  }
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

/** @throws {KvsInferenceError} STACK_STATE where nothing can be changed now, with what to do */
export function requireDeployable(stack: Stack | null): void {
  const { StackName: name, StackStatus: status } = stack ?? {};
  const state = stackState(stack);
  if (state !== 'busy' && state !== 'stuck') return;
  const remedy =
    state === 'busy'
      ? 'wait until that is over'
      : `mend what its events tell of, and then: aws cloudformation continue-update-rollback --stack-name ${name}`;
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
  cloudFormation: StackCaller,
  stackName: string,
  signal: AbortSignal,
): Promise<Template> {
  const command = new GetTemplateCommand({ StackName: stackName, TemplateStage: 'Original' });
  const { TemplateBody = '' } = await cloudFormation.send(command, { abortSignal: signal });
  return parseTemplate(TemplateBody);
}

export async function stackResources(
  cloudFormation: StackCaller,
  stackName: string,
  signal: AbortSignal,
): Promise<StackResource[]> {
  const resources: StackResource[] = [];
  let NextToken: string | undefined;
  do {
    const command = new ListStackResourcesCommand({ StackName: stackName, NextToken });
    const page = await cloudFormation.send(command, { abortSignal: signal });
    for (const summary of page.StackResourceSummaries ?? []) {
      const { LogicalResourceId = '', PhysicalResourceId, ResourceType = '', ResourceStatus } = summary;
      if (PhysicalResourceId === undefined || ResourceStatus === 'DELETE_COMPLETE') continue;
      resources.push({ logicalId: LogicalResourceId, physicalId: PhysicalResourceId, type: ResourceType });
    }
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return resources;
}

export interface FollowOptions {
  readonly cloudFormation: StackCaller;
  /** The stack's id: its name means nothing any more when it is deleted. */
  readonly stackId: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onEvent: (event: StackEvent) => void;
}

/**
 * Starts something, and hands over each event of the stack, oldest first, until it is over.
 *
 * @returns the stack's last status, such as `CREATE_COMPLETE`
 * @throws {KvsInferenceError} INTERRUPTED if the signal aborts meanwhile: CloudFormation goes on
 */
export async function follow(start: () => Promise<void>, options: FollowOptions): Promise<string> {
  const { stackId, clock, signal, onEvent } = options;
  let lastSeen = (await eventsSince(null, options))[0]?.EventId ?? null;
  await start();
  try {
    for (;;) {
      await clock.sleep(POLL_INTERVAL_MILLIS, signal);
      const events = await eventsSince(lastSeen, options);
      lastSeen = events[0]?.EventId ?? lastSeen;
      let status: string | null = null;
      for (const event of events.reverse()) {
        onEvent(event);
        if (event.PhysicalResourceId === stackId) status = event.ResourceStatus ?? null;
      }
      if (status !== null && !status.endsWith('_IN_PROGRESS')) return status;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new KvsInferenceError(
      'INTERRUPTED',
      `CloudFormation goes on by itself; to see how: aws cloudformation describe-stack-events --stack-name ${stackId}`,
      { cause: error },
    );
  }
}

/** Newest first, as the service gives them; with null the newest page. */
async function eventsSince(
  lastSeen: string | null,
  { cloudFormation, stackId, signal }: FollowOptions,
): Promise<StackEvent[]> {
  const events: StackEvent[] = [];
  let NextToken: string | undefined;
  do {
    const command = new DescribeStackEventsCommand({ StackName: stackId, NextToken });
    const page = await cloudFormation.send(command, { abortSignal: signal });
    for (const event of page.StackEvents ?? []) {
      if (event.EventId === lastSeen) return events;
      events.push(event);
    }
    NextToken = lastSeen === null ? undefined : page.NextToken;
  } while (NextToken !== undefined);
  return events;
}

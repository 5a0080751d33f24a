import { randomUUID } from 'node:crypto';
import {
  type Change,
  type CloudFormationClient,
  CreateChangeSetCommand,
  DeleteChangeSetCommand,
  DeleteStackCommand,
  ExecuteChangeSetCommand,
  type Parameter,
  paginateDescribeChangeSet,
  paginateDescribeEvents,
  paginateListChangeSets,
} from '@aws-sdk/client-cloudformation';
import { type Clock, NEVER } from '../core/clock.ts';
import { errorMessage, errorName, KvsInferenceError, UsageError } from '../core/errors.ts';
import { describeStack, isMissing } from './stacks.ts';

export interface ChangeSetOptions {
  readonly cloudFormation: CloudFormationClient;
  readonly stackName: string;
  readonly templateBody: string;
  readonly parameters: readonly Parameter[];
  readonly type: 'CREATE' | 'UPDATE';
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface ChangeSet {
  readonly id: string;
  readonly stackId: string;
  readonly type: 'CREATE' | 'UPDATE';
  /** Of resources; none where only outputs change. */
  readonly changes: readonly Change[];
}

const POLL_INTERVAL_MILLIS = 1000;
const NO_CHANGES = /didn't contain changes|no updates are to be performed/i;

/**
 * What CloudFormation is going to do
 * (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html). Unless it is returned,
 * nothing of it is left.
 *
 * @returns null: the stack is as it should be
 * @throws {UsageError} what CloudFormation objects to in the template or its parameters
 */
export async function createChangeSet(options: ChangeSetOptions): Promise<ChangeSet | null> {
  const { cloudFormation, stackName, type, clock, signal } = options;
  signal.throwIfAborted();
  const { id, stackId } = await begin(options);
  let changeSet: ChangeSet = { id, stackId, type, changes: [] };
  try {
    for (;;) {
      const { status, reason, changes } = await describe(cloudFormation, id, signal);
      changeSet = { ...changeSet, changes };
      if (status === 'CREATE_COMPLETE') return changeSet;
      if (status === 'FAILED' && NO_CHANGES.test(reason)) break;
      if (status === 'FAILED') {
        const details = await failedValidations(cloudFormation, id, signal);
        const problem = `${stackName}: CloudFormation cannot do this: ${reason}`;
        throw new UsageError([problem, ...details].join('\n  '));
      }
      await clock.sleep(POLL_INTERVAL_MILLIS, signal);
    }
  } catch (error) {
    // The first error is the one to be told.
    await discardChangeSet(cloudFormation, changeSet).catch(() => undefined);
    throw error;
  }
  await discardChangeSet(cloudFormation, changeSet);
  return null;
}

async function begin(options: ChangeSetOptions): Promise<{ id: string; stackId: string }> {
  const { cloudFormation, stackName, templateBody, parameters, type, clock } = options;
  const command = new CreateChangeSetCommand({
    StackName: stackName,
    ChangeSetName: `kvs-inference-${clock.now()}`,
    ChangeSetType: type,
    TemplateBody: templateBody,
    Parameters: [...parameters],
    Capabilities: ['CAPABILITY_IAM'],
    // The SDK tries again where no answer comes: that is not to be a second one.
    ClientToken: randomUUID(),
  });
  try {
    // Not to be broken off: there would be a change set that nobody knows of.
    const { Id, StackId } = await cloudFormation.send(command);
    if (Id !== undefined && StackId !== undefined) return { id: Id, stackId: StackId };
  } catch (error) {
    if (errorName(error) !== 'ValidationError') throw error;
    throw new UsageError(`${stackName}: ${errorMessage(error)}`, { cause: error });
  }
  throw new KvsInferenceError('CHANGE_SET', 'CreateChangeSet answered without an id');
}

async function describe(cloudFormation: CloudFormationClient, id: string, signal: AbortSignal) {
  const changes: Change[] = [];
  let status: string | undefined;
  let reason = '';
  const pages = paginateDescribeChangeSet(
    { client: cloudFormation },
    { ChangeSetName: id },
    { abortSignal: signal },
  );
  for await (const { Status, StatusReason, Changes = [] } of pages) {
    changes.push(...Changes);
    status = Status;
    reason = StatusReason ?? '';
  }
  return { status, reason, changes };
}

/**
 * What failed before anything began: the change set itself names only the kind of the validation
 * (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeEvents.html). For a hint only.
 */
async function failedValidations(
  cloudFormation: CloudFormationClient,
  id: string,
  signal: AbortSignal,
): Promise<string[]> {
  const reasons: string[] = [];
  try {
    const input = { ChangeSetName: id, Filters: { FailedEvents: true } };
    const pages = paginateDescribeEvents({ client: cloudFormation }, input, { abortSignal: signal });
    for await (const { OperationEvents = [] } of pages) {
      for (const event of OperationEvents) {
        const { LogicalResourceId = '', ValidationPath, ValidationStatusReason, HookStatusReason } = event;
        const reason = ValidationStatusReason ?? HookStatusReason ?? event.ResourceStatusReason;
        if (reason !== undefined) reasons.push(`${ValidationPath ?? LogicalResourceId}: ${reason}`);
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    reasons.push(`more cannot be read: ${errorName(error)}`);
  }
  return reasons;
}

export async function executeChangeSet(
  cloudFormation: CloudFormationClient,
  { id }: ChangeSet,
): Promise<void> {
  const command = new ExecuteChangeSetCommand({ ChangeSetName: id, ClientRequestToken: randomUUID() });
  await cloudFormation.send(command);
}

/**
 * Leaves things as they were. A stack that was to be created goes with the last of its change sets, unless somebody has
 * begun to make it meanwhile.
 */
export async function discardChangeSet(
  cloudFormation: CloudFormationClient,
  changeSet: ChangeSet,
): Promise<void> {
  const { id, stackId, type } = changeSet;
  try {
    await cloudFormation.send(new DeleteChangeSetCommand({ ChangeSetName: id }));
  } catch (error) {
    if (errorName(error) !== 'ChangeSetNotFoundException' && !isMissing(error)) throw error;
  }
  if (type === 'UPDATE' || (await hasChangeSets(cloudFormation, stackId, id))) return;
  // Last of all: whatever is made until then is seen.
  const stack = await describeStack(cloudFormation, stackId, NEVER);
  if (stack?.StackStatus !== 'REVIEW_IN_PROGRESS') return;
  await cloudFormation.send(new DeleteStackCommand({ StackName: stackId }));
}

/** Whether the stack has change sets but this one, which may be listed for a while. */
async function hasChangeSets(
  cloudFormation: CloudFormationClient,
  stackId: string,
  discarded: string,
): Promise<boolean> {
  try {
    const pages = paginateListChangeSets({ client: cloudFormation }, { StackName: stackId });
    for await (const { Summaries = [] } of pages) {
      if (Summaries.some(({ ChangeSetId }) => ChangeSetId !== discarded)) return true;
    }
    return false;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** A line for each change. Pure. */
export function changeRows(changes: readonly Change[]): string[][] {
  return changes.flatMap(({ ResourceChange }) => {
    if (ResourceChange === undefined) return [];
    const { Action = '', Replacement, LogicalResourceId = '', ResourceType = '' } = ResourceChange;
    const how = Replacement === 'True' ? 'Replace' : Replacement === 'Conditional' ? 'Replace?' : Action;
    return [[how, LogicalResourceId, ResourceType]];
  });
}

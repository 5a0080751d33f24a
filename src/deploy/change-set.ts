import {
  type Change,
  CreateChangeSetCommand,
  DeleteChangeSetCommand,
  DeleteStackCommand,
  DescribeChangeSetCommand,
  ExecuteChangeSetCommand,
  type Parameter,
} from '@aws-sdk/client-cloudformation';
import type { Clock } from '../core/clock.ts';
import { KvsInferenceError, UsageError } from '../core/errors.ts';
import type { StackCaller } from './stacks.ts';

export interface ChangeSetOptions {
  readonly cloudFormation: StackCaller;
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
  /** Empty: the stack is as it should be. */
  readonly changes: readonly Change[];
}

const POLL_INTERVAL_MILLIS = 1000;
const NO_CHANGES = /didn't contain changes|no updates are to be performed/i;

/**
 * What CloudFormation is going to do
 * (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html).
 *
 * @throws {UsageError} what CloudFormation objects to in the template or its parameters
 */
export async function createChangeSet(options: ChangeSetOptions): Promise<ChangeSet> {
  const { cloudFormation, stackName, templateBody, parameters, type, clock, signal } = options;
  const command = new CreateChangeSetCommand({
    StackName: stackName,
    ChangeSetName: `kvs-inference-${clock.now()}`,
    ChangeSetType: type,
    TemplateBody: templateBody,
    Parameters: [...parameters],
    Capabilities: ['CAPABILITY_IAM'],
  });
  const { Id, StackId } = await cloudFormation.send(command, { abortSignal: signal });
  if (Id === undefined || StackId === undefined) {
    throw new KvsInferenceError('CHANGE_SET', 'CreateChangeSet answered without an id');
  }
  const changeSet = { id: Id, stackId: StackId, type, changes: [] };
  for (;;) {
    const { status, reason, changes } = await describe(cloudFormation, Id, signal);
    if (status === 'CREATE_COMPLETE') return { ...changeSet, changes };
    if (status === 'FAILED') {
      await discardChangeSet(cloudFormation, changeSet);
      if (NO_CHANGES.test(reason)) return changeSet;
      throw new UsageError(`${stackName}: CloudFormation cannot do this: ${reason}`);
    }
    await clock.sleep(POLL_INTERVAL_MILLIS, signal);
  }
}

async function describe(cloudFormation: StackCaller, id: string, signal: AbortSignal) {
  const changes: Change[] = [];
  let NextToken: string | undefined;
  for (;;) {
    const command = new DescribeChangeSetCommand({ ChangeSetName: id, NextToken });
    const page = await cloudFormation.send(command, { abortSignal: signal });
    changes.push(...(page.Changes ?? []));
    NextToken = page.NextToken;
    if (NextToken === undefined) return { status: page.Status, reason: page.StatusReason ?? '', changes };
  }
}

export async function executeChangeSet(cloudFormation: StackCaller, { id }: ChangeSet): Promise<void> {
  await cloudFormation.send(new ExecuteChangeSetCommand({ ChangeSetName: id }));
}

/** Leaves things as they were: a stack that was to be created is no more than its change set. */
export async function discardChangeSet(cloudFormation: StackCaller, changeSet: ChangeSet): Promise<void> {
  const { id, stackId, type } = changeSet;
  if (type === 'CREATE') await cloudFormation.send(new DeleteStackCommand({ StackName: stackId }));
  else await cloudFormation.send(new DeleteChangeSetCommand({ ChangeSetName: id }));
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

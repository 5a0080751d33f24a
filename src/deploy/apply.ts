import {
  type CloudFormationClient,
  DeleteStackCommand,
  type StackEvent,
} from '@aws-sdk/client-cloudformation';
import { textTable } from '../cli/text-table.ts';
import { errorMessage, KvsInferenceError } from '../core/errors.ts';
import { type ChangeSet, changeRows, discardChangeSet, executeChangeSet } from './change-set.ts';
import { type Context, say } from './context.ts';
import { follow, isGoingOn } from './follow.ts';
import { createProgress } from './progress.ts';
import type { StackObserver } from './service-watch.ts';

export interface StackOperation {
  readonly cloudFormation: CloudFormationClient;
  readonly stackName: string;
  readonly stackId: string;
  readonly observer?: StackObserver;
}

interface Outcome {
  /** The stack's last one. */
  readonly status: string;
  readonly reasons: readonly string[];
}

/** What a resource is told that was given up because another one failed. */
const CANCELLED = /^Resource (creation|update) cancelled/;

export function sayChanges({ changes, type }: ChangeSet, context: Context): void {
  const table = () => textTable(['change', 'resource', 'type'], changeRows(changes), [], context.colors);
  if (type === 'CREATE') say(context, `${changes.length} resources to create`);
  else say(context, changes.length === 0 ? 'only what the stack says of itself changes' : table());
}

/**
 * Makes the changes and shows how they come along. A stack that cannot be created leaves nothing, nor does a change set
 * that is not begun with.
 *
 * @throws {KvsInferenceError} STACK_FAILED with the reasons, INTERRUPTED if the signal aborts
 */
export async function applyChangeSet(
  changeSet: ChangeSet,
  operation: StackOperation,
  context: Context,
): Promise<void> {
  const { cloudFormation, stackName } = operation;
  const start = () => executeChangeSet(cloudFormation, changeSet);
  let outcome: Outcome;
  try {
    context.signal.throwIfAborted();
    outcome = await watch(start, operation, context);
  } catch (error) {
    // The first error is the one to be told.
    if (!isGoingOn(error)) await discardChangeSet(cloudFormation, changeSet).catch(() => undefined);
    throw error;
  }
  const { status, reasons } = outcome;
  if (status === `${changeSet.type}_COMPLETE`) return;
  if (status !== 'ROLLBACK_COMPLETE')
    throw stackFailed(`stack ${stackName} failed, it is ${status}`, reasons);
  try {
    // Nothing of it is left but its name, which would be in the way of the next attempt.
    await removeStack({ cloudFormation, stackName, stackId: operation.stackId }, context);
  } catch (error) {
    const why = isGoingOn(error) ? 'deleting it goes on' : `it cannot be deleted: ${errorMessage(error)}`;
    throw stackFailed(`stack ${stackName} failed, it is ${status}, ${why}`, reasons);
  }
  throw stackFailed(`stack ${stackName} failed, all of it is deleted again`, reasons);
}

/** @throws {KvsInferenceError} STACK_FAILED with what cannot be deleted, INTERRUPTED if the signal aborts */
export async function removeStack(operation: StackOperation, context: Context): Promise<void> {
  const { cloudFormation, stackName, stackId } = operation;
  context.signal.throwIfAborted();
  say(context, `deleting the stack ${stackName}`);
  const start = async () => {
    await cloudFormation.send(new DeleteStackCommand({ StackName: stackId }));
  };
  const { status, reasons } = await watch(start, operation, context);
  if (status !== 'DELETE_COMPLETE') throw stackFailed(`stack ${stackName} is ${status}`, reasons);
}

async function watch(
  start: () => Promise<void>,
  { cloudFormation, stackId, observer }: StackOperation,
  context: Context,
): Promise<Outcome> {
  const { clock, signal } = context;
  const progress = createProgress(context, stackId);
  const reasons: string[] = [];
  const onEvent = (event: StackEvent) => {
    const { ResourceStatus = '', ResourceStatusReason = '', LogicalResourceId, ResourceType } = event;
    const isReason = ResourceStatus.endsWith('_FAILED') && !CANCELLED.test(ResourceStatusReason);
    if (isReason) reasons.push(`${LogicalResourceId} (${ResourceType}): ${ResourceStatusReason}`);
    progress.event(event);
    observer?.event(event);
  };
  const onPoll = async () => {
    progress.tick();
    await observer?.poll();
  };
  try {
    const status = await follow(start, { cloudFormation, stackId, clock, signal, onEvent, onPoll });
    return { status, reasons: [...reasons, ...(observer?.reasons() ?? [])] };
  } finally {
    progress.done();
  }
}

function stackFailed(what: string, reasons: readonly string[]): KvsInferenceError {
  return new KvsInferenceError('STACK_FAILED', [`${what}:`, ...reasons].join('\n  '));
}

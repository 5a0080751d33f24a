import { DeleteStackCommand, type StackEvent } from '@aws-sdk/client-cloudformation';
import { textTable } from '../cli/text-table.ts';
import { KvsInferenceError } from '../core/errors.ts';
import { type ChangeSet, changeRows, executeChangeSet } from './change-set.ts';
import { type Context, say } from './context.ts';
import { createProgress } from './progress.ts';
import { follow, type StackCaller } from './stacks.ts';

export interface StackOperation {
  readonly cloudFormation: StackCaller;
  readonly stackName: string;
  readonly stackId: string;
}

/** What a resource is told that was given up because another one failed. */
const CANCELLED = /^Resource (creation|update) cancelled/;

export function sayChanges({ changes, type }: ChangeSet, context: Context): void {
  const table = () => textTable(['change', 'resource', 'type'], changeRows(changes), [], context.colors);
  say(context, type === 'CREATE' ? `${changes.length} resources to create` : table());
}

/**
 * Makes the changes and shows how they come along. A stack that cannot be created leaves nothing.
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
  const { status, reasons } = await watch(start, operation, context);
  if (status === `${changeSet.type}_COMPLETE`) return;
  const isGone = status === 'ROLLBACK_COMPLETE';
  // Nothing of it is left but its name, which would be in the way of the next attempt.
  if (isGone) await removeStack(operation, context);
  const outcome = isGone ? 'all of it is deleted again' : `it is ${status}`;
  throw stackFailed(`stack ${stackName} failed, ${outcome}`, reasons);
}

/** @throws {KvsInferenceError} STACK_FAILED with what cannot be deleted, INTERRUPTED if the signal aborts */
export async function removeStack(operation: StackOperation, context: Context): Promise<void> {
  const { cloudFormation, stackName, stackId } = operation;
  say(context, `deleting the stack ${stackName}`);
  const start = async () => {
    await cloudFormation.send(new DeleteStackCommand({ StackName: stackId }));
  };
  const { status, reasons } = await watch(start, operation, context);
  if (status !== 'DELETE_COMPLETE') throw stackFailed(`stack ${stackName} is ${status}`, reasons);
}

async function watch(
  start: () => Promise<void>,
  { cloudFormation, stackId }: StackOperation,
  context: Context,
): Promise<{ status: string; reasons: readonly string[] }> {
  const { clock, signal } = context;
  const progress = createProgress(context, stackId);
  const reasons: string[] = [];
  const onEvent = (event: StackEvent) => {
    const { ResourceStatus = '', ResourceStatusReason = '', LogicalResourceId, ResourceType } = event;
    const isReason = ResourceStatus.endsWith('_FAILED') && !CANCELLED.test(ResourceStatusReason);
    if (isReason) reasons.push(`${LogicalResourceId} (${ResourceType}): ${ResourceStatusReason}`);
    progress.event(event);
  };
  try {
    return { status: await follow(start, { cloudFormation, stackId, clock, signal, onEvent }), reasons };
  } finally {
    progress.done();
  }
}

function stackFailed(what: string, reasons: readonly string[]): KvsInferenceError {
  return new KvsInferenceError('STACK_FAILED', [`${what}:`, ...reasons].join('\n  '));
}

import { DeleteTableCommand } from '@aws-sdk/client-dynamodb';
import { EXIT_FAILED, EXIT_OK, type ExitCode } from '../cli/exit-code.ts';
import { textTable } from '../cli/text-table.ts';
import { errorName, KvsInferenceError, UsageError } from '../core/errors.ts';
import { findAccount } from './account.ts';
import { removeStack } from './apply.ts';
import { emptyBuckets } from './buckets.ts';
import { type Clients, createClients } from './clients.ts';
import { type Context, isTyped, say } from './context.ts';
import { IMAGE_PARAMETER, imageStack, imageStackName } from './image.ts';
import type { ParameterValues } from './parameters.ts';
import { stackNameOf } from './plan.ts';
import {
  APPLICATION_PARAMETER,
  describeStack,
  parametersOf,
  regionOf,
  requireDeployable,
  requireOurs,
  type StackResource,
  stackResources,
  stackState,
  templateOf,
} from './stacks.ts';

export interface DestroyOptions {
  readonly appName: string;
  readonly stackName?: string;
  readonly region?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly withImage?: boolean;
  readonly withLeases?: boolean;
}

/** A stack that is there, and what of it outlives it. */
interface Victim {
  readonly stackName: string;
  readonly stackId: string;
  readonly parameters: ParameterValues;
  readonly goes: readonly StackResource[];
  readonly stays: readonly StackResource[];
}

const TABLE = 'AWS::DynamoDB::Table';

/** Says what goes and what stays, asks, deletes, and says how the rest is deleted. */
export async function destroy(options: DestroyOptions, context: Context): Promise<ExitCode> {
  const clients = createClients(options.region);
  try {
    return await destroyWith(clients, options, context);
  } finally {
    clients.destroy();
  }
}

async function destroyWith(clients: Clients, options: DestroyOptions, context: Context): Promise<ExitCode> {
  const { appName, withImage, withLeases, dryRun } = options;
  const account = await findAccount(clients, context.signal);
  const stackName = options.stackName ?? stackNameOf(appName);
  const application = await findVictim(stackName, appName, APPLICATION_PARAMETER, clients, context);
  const imageName = imageStackName(appName);
  const image = withImage ? await findVictim(imageName, appName, IMAGE_PARAMETER, clients, context) : null;
  if (application === null && withLeases) {
    throw new KvsInferenceError(
      'STACK_STATE',
      `there is no stack ${stackName}, so its lease table cannot be found this way, and nothing is deleted; to find it: aws dynamodb list-tables --region ${account.region}; what else is there can be deleted without --with-leases`,
    );
  }
  if (application === null && image === null) {
    throw new UsageError(`there is no stack ${stackName} in ${account.region} of account ${account.account}`);
  }
  const tables = (application?.stays ?? []).filter(({ type }) => type === TABLE);
  const victims = [application, image].filter((victim) => victim !== null);
  const goes = [...victims.flatMap((victim) => victim.goes), ...(withLeases ? tables : [])];
  const stays = victims.flatMap((victim) => victim.stays).filter((resource) => !goes.includes(resource));
  // For a hint only: what else has its name is in nobody's way.
  const otherImage = withImage ? null : await imageStack(appName, clients.cloudFormation, context.signal);
  const commands = [
    ...stays.map((resource) => remainderLine(resource, account.region)),
    ...(otherImage === null ? [] : [imageLine(imageName)]),
    ...(application === null ? [] : outsideLines(application.parameters)),
  ];

  say(context, `${account.arn}, ${account.region}`, 'to be deleted for good:');
  say(context, resourceTable(goes, context));
  if (application !== null) say(context, 'and with it the results, the failed records and the logs.');
  if (commands.length > 0) say(context, 'stays:', ...commands);
  if (dryRun) {
    say(context, 'dry run: nothing changed');
    return EXIT_OK;
  }
  if (!(await isTyped(appName, options.yes, context))) {
    say(context, 'nothing deleted');
    return EXIT_FAILED;
  }

  const { cloudFormation, s3 } = clients;
  for (const victim of victims) {
    await emptyBuckets(victim.goes, s3, context.signal);
    await removeStack({ cloudFormation, ...victim }, context);
  }
  if (withLeases) for (const { physicalId } of tables) await deleteTable(physicalId, clients, context);
  context.print(`deleted: ${victims.map((victim) => victim.stackName).join(', ')}`);
  if (commands.length > 0) context.print('what stays:');
  for (const command of commands) context.print(command);
  return EXIT_OK;
}

/**
 * @param parameter that only the stack's template has
 * @returns null if there is no such stack
 * @throws {UsageError} if it is not ours, or must not be deleted
 */
async function findVictim(
  stackName: string,
  appName: string,
  parameter: string,
  { cloudFormation }: Clients,
  { signal }: Context,
): Promise<Victim | null> {
  const stack = await describeStack(cloudFormation, stackName, signal);
  if (stack === null) return null;
  const { StackId: stackId = '', StackStatus, EnableTerminationProtection } = stack;
  const suffix = `--stack-name ${stackName} --region ${regionOf(stackId)}`;
  if (stackState(stack) === 'none') {
    // It may be anybody's: neither its description nor its parameters are there yet.
    throw new UsageError(
      `stack ${stackName} is ${StackStatus}: nothing is made yet but a change set; to delete that: aws cloudformation delete-stack ${suffix}`,
    );
  }
  requireOurs(stack, appName, 'nothing deleted', parameter);
  // A stuck one can be deleted.
  if (stackState(stack) === 'busy') requireDeployable(stack);
  if (EnableTerminationProtection === true) {
    throw new UsageError(
      `stack ${stackName} is protected, so nothing is deleted; to allow it: aws cloudformation update-termination-protection --no-enable-termination-protection ${suffix}`,
    );
  }
  const [template, resources] = await Promise.all([
    templateOf(cloudFormation, stackName, signal),
    stackResources(cloudFormation, stackName, signal),
  ]);
  const isKept = ({ logicalId }: StackResource) =>
    template.Resources[logicalId]?.DeletionPolicy?.startsWith('Retain') === true;
  return {
    stackName,
    stackId,
    parameters: parametersOf(stack),
    goes: resources.filter((resource) => !isKept(resource)),
    stays: resources.filter(isKept),
  };
}

/** Somebody may have deleted it already. */
async function deleteTable(TableName: string, { dynamoDb }: Clients, context: Context): Promise<void> {
  const { signal } = context;
  try {
    await dynamoDb.send(new DeleteTableCommand({ TableName }), { abortSignal: signal });
    say(context, `deleted the table ${TableName}`);
  } catch (error) {
    if (errorName(error) !== 'ResourceNotFoundException') throw error;
    say(context, `the table ${TableName} was deleted already`);
  }
}

function resourceTable(resources: readonly StackResource[], { colors }: Context): string {
  const rows = resources.map(({ logicalId, type, physicalId }) => [logicalId, type, physicalId]);
  return textTable(['resource', 'type', 'name'], rows, [], colors);
}

function remainderLine({ type, logicalId, physicalId }: StackResource, region: string): string {
  const command =
    type === TABLE
      ? `how far each stream was read; aws dynamodb delete-table --table-name ${physicalId} --region ${region}`
      : `${type} ${physicalId}`;
  return `  ${logicalId}: ${command}`;
}

function imageLine(stackName: string): string {
  return `  the image in the stack ${stackName}: npm run destroy with --with-image`;
}

/** What the stack has used and not made: it costs as before. Pure. */
function outsideLines({ SageMakerEndpoint, StreamNames, TagFilters, ResultBucket }: ParameterValues) {
  return [
    ...(SageMakerEndpoint ? [`  endpoint ${SageMakerEndpoint}: its instances cost, by the hour`] : []),
    ...(StreamNames ? [`  video streams ${StreamNames}: what they take in and store costs`] : []),
    ...(TagFilters ? [`  video streams with the tags ${TagFilters}: the same`] : []),
    ...(ResultBucket ? [`  bucket ${ResultBucket}: what it stores costs`] : []),
  ];
}

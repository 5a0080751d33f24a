import { DeleteTableCommand } from '@aws-sdk/client-dynamodb';
import { DeleteObjectsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { EXIT_FAILED, EXIT_OK, type ExitCode } from '../cli/exit-code.ts';
import { textTable } from '../cli/text-table.ts';
import { UsageError } from '../core/errors.ts';
import { findAccount } from './account.ts';
import { removeStack } from './apply.ts';
import { type Clients, createClients } from './clients.ts';
import { type Context, isTyped, say } from './context.ts';
import { imageStackName, isImageStack } from './image.ts';
import type { ParameterValues } from './parameters.ts';
import { stackNameOf } from './plan.ts';
import {
  describeStack,
  parametersOf,
  requireDeployable,
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
  readonly goes: readonly StackResource[];
  readonly stays: readonly StackResource[];
}

const TABLE = 'AWS::DynamoDB::Table';
const BUCKET = 'AWS::S3::Bucket';

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
  const application = await findVictim(stackName, ({ AppName }) => AppName === appName, clients, context);
  const image = await findVictim(imageStackName(appName), isImageStack, clients, context);
  if (application === null && (image === null || !withImage)) {
    throw new UsageError(`there is no stack ${stackName} in ${account.region} of account ${account.account}`);
  }
  const tables = (application?.stays ?? []).filter(({ type }) => type === TABLE);
  const victims = [application, withImage ? image : null].filter((victim) => victim !== null);
  const goes = [...victims.flatMap((victim) => victim.goes), ...(withLeases ? tables : [])];
  const stays = victims.flatMap((victim) => victim.stays).filter((resource) => !goes.includes(resource));
  const commands = [
    ...stays.map((resource) => remainderLine(resource, account.region)),
    ...(image === null || withImage ? [] : [imageLine(image)]),
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
    say(context, 'nothing changed');
    return EXIT_FAILED;
  }

  const { cloudFormation, dynamoDb, s3 } = clients;
  for (const victim of victims) {
    for (const { type, physicalId } of victim.goes) if (type === BUCKET) await emptyBucket(physicalId, s3);
    await removeStack({ cloudFormation, ...victim }, context);
  }
  for (const { physicalId } of withLeases ? tables : []) {
    await dynamoDb.send(new DeleteTableCommand({ TableName: physicalId }));
    say(context, `deleted the table ${physicalId}`);
  }
  context.print(`deleted: ${victims.map((victim) => victim.stackName).join(', ')}`);
  if (commands.length > 0) context.print('what stays, and what deletes it:');
  for (const command of commands) context.print(command);
  return EXIT_OK;
}

/**
 * @param isOurs told by the stack's parameters, as the name may be that of anything
 * @returns null if there is no such stack
 * @throws {UsageError} if it is not ours
 */
async function findVictim(
  stackName: string,
  isOurs: (parameters: ParameterValues) => boolean,
  { cloudFormation }: Clients,
  { signal }: Context,
): Promise<Victim | null> {
  const stack = await describeStack(cloudFormation, stackName, signal);
  if (stack === null || stackState(stack) === 'none') return null;
  if (!isOurs(parametersOf(stack))) {
    throw new UsageError(`stack ${stackName} is not of this application: nothing deleted`);
  }
  // A stuck one can be deleted.
  if (stackState(stack) === 'busy') requireDeployable(stack);
  const [template, resources] = await Promise.all([
    templateOf(cloudFormation, stackName, signal),
    stackResources(cloudFormation, stackName, signal),
  ]);
  const isKept = ({ logicalId }: StackResource) =>
    template.Resources[logicalId]?.DeletionPolicy?.startsWith('Retain') === true;
  return {
    stackName,
    stackId: stack.StackId ?? stackName,
    goes: resources.filter((resource) => !isKept(resource)),
    stays: resources.filter(isKept),
  };
}

/** CloudFormation deletes no bucket that has something in it. */
async function emptyBucket(bucket: string, s3: Clients['s3']): Promise<void> {
  for (;;) {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
    if (Contents.length === 0) return;
    const Objects = Contents.map(({ Key }) => ({ Key }));
    await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }));
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

function imageLine({ stackName }: Victim): string {
  return `  the image in the stack ${stackName}: npm run destroy with --with-image`;
}

import type { CloudFormationClient, Stack } from '@aws-sdk/client-cloudformation';
import { DescribeImagesCommand, type ECRClient } from '@aws-sdk/client-ecr';
import { errorName, KvsInferenceError, UsageError } from '../core/errors.ts';
import { applyChangeSet, removeStack } from './apply.ts';
import { emptyBuckets } from './buckets.ts';
import { createChangeSet } from './change-set.ts';
import { type Finding, notChecked, ok, problem } from './checks/finding.ts';
import type { Clients } from './clients.ts';
import { buildWithCodeBuild } from './code-build.ts';
import { buildWithEngine, ENGINES, type Engine, findEngine } from './container-engine.ts';
import { type Context, isAgreed, say } from './context.ts';
import { changeSetParameters, type ParameterValues } from './parameters.ts';
import { stackNameOf } from './plan.ts';
import { readSources } from './sources.ts';
import {
  describeStack,
  isOurs,
  outputsOf,
  parametersOf,
  requireDeployable,
  requireOurs,
  stackResources,
  stackState,
} from './stacks.ts';
import { readTemplateFile } from './template.ts';

export interface ImageOptions {
  readonly appName: string;
  /** As the stack parameter has it. */
  readonly cpuArchitecture: string;
  /** Undefined: whatever there is. */
  readonly engine: Engine | 'codebuild' | undefined;
  readonly yes: boolean | undefined;
  readonly clients: Pick<Clients, 'cloudFormation' | 'codeBuild' | 'ecr' | 's3'>;
}

const PLATFORMS: Readonly<Record<string, { platform: string; suffix: string }>> = {
  ARM64: { platform: 'linux/arm64', suffix: 'arm64' },
  X86_64: { platform: 'linux/amd64', suffix: 'amd64' },
};

/** The stack that keeps the image. */
export function imageStackName(appName: string): string {
  return `${stackNameOf(appName)}-image`;
}

/** The parameter that only its template has. */
export const IMAGE_PARAMETER = 'UseCodeBuild';

/** The stack that keeps the image; null if it is not there, or another one's. */
export async function imageStack(
  appName: string,
  cloudFormation: CloudFormationClient,
  signal: AbortSignal,
): Promise<Stack | null> {
  const stack = await describeStack(cloudFormation, imageStackName(appName), signal);
  return stack !== null && isOurs(stack, appName, IMAGE_PARAMETER) ? stack : null;
}

/** Of the stack that keeps the image; none if it is not there, or another one's. */
export async function imageOutputs(
  ...stack: Parameters<typeof imageStack>
): Promise<Readonly<Record<string, string>>> {
  return outputsOf(await imageStack(...stack));
}

/** The image that the stack has, if it was given and not built; null: it may be replaced by what is built. */
export async function givenBefore(
  previous: ParameterValues,
  appName: string,
  cloudFormation: CloudFormationClient,
  signal: AbortSignal,
): Promise<string | null> {
  const image = previous['DockerImageRepository'];
  if (image === undefined) return null;
  const { RepositoryUri } = await imageOutputs(appName, cloudFormation, signal);
  const [repository] = image.split(/[:@]/);
  return repository === RepositoryUri ? null : image;
}

/**
 * Builds the image of this clone and pushes it, unless its repository has it already.
 *
 * @returns its address; null: that is not wanted
 * @throws {KvsInferenceError} IMAGE if it cannot be built or pushed
 */
export async function ensureImage(options: ImageOptions, context: Context): Promise<string | null> {
  const { appName, cpuArchitecture, clients, yes } = options;
  const { root, signal } = context;
  const { platform, suffix } = PLATFORMS[cpuArchitecture] ?? {};
  if (platform === undefined) throw new UsageError(`no images are built for ${cpuArchitecture}`);
  const sources = readSources(root);
  const tag = `${sources.version}-${suffix}-${sources.digest}`;
  const stackName = imageStackName(appName);
  const { RepositoryUri: existing } = await imageOutputs(appName, clients.cloudFormation, signal);
  if (existing !== undefined && (await hasImage(clients.ecr, `${existing}:${tag}`, signal)) === true) {
    say(context, `image ${existing}:${tag} is there already`);
    return `${existing}:${tag}`;
  }

  const engine = await chooseEngine(options, context);
  const builder = engine ?? 'CodeBuild';
  const place = existing ?? `a repository in a stack of its own, ${stackName}`;
  const question = `Build the image ${tag} with ${builder}, and push it to ${place}?`;
  if (!(await isAgreed(question, yes, context))) return null;
  const changes = {
    AppName: appName,
    CpuArchitecture: cpuArchitecture,
    ...(engine === null ? { UseCodeBuild: 'true' } : {}),
  };
  const outputs = await ensureStack(stackName, changes, options, context);
  const { RepositoryUri: repository, Bucket: bucket = '', BuildProject: project = '' } = outputs;
  if (repository === undefined) throw new KvsInferenceError('IMAGE', `stack ${stackName} has no repository`);
  const image = `${repository}:${tag}`;
  const { codeBuild, ecr, s3 } = clients;
  if (engine !== null) await buildWithEngine({ engine, ecr, image, platform }, context);
  else await buildWithCodeBuild({ codeBuild, s3, bucket, project, tag, sources }, context);
  return image;
}

/** @returns null for CodeBuild. @throws {UsageError} if the engine that is asked for does not work */
async function chooseEngine({ engine }: ImageOptions, context: Context): Promise<Engine | null> {
  if (engine === 'codebuild') return null;
  const found = await findEngine(engine === undefined ? ENGINES : [engine], context);
  if (found === null && engine !== undefined) {
    throw new UsageError(`--engine ${engine}: \`${engine} info\` fails: is it installed, and does it run?`);
  }
  return found;
}

/** Brings the stack of the repository to what this clone has it be. @returns its outputs */
async function ensureStack(
  stackName: string,
  changes: ParameterValues,
  { appName, clients: { cloudFormation, s3 } }: ImageOptions,
  context: Context,
): Promise<Readonly<Record<string, string>>> {
  const { clock, root, signal } = context;
  const file = readTemplateFile(`${root}cloudformation/image.yaml`);
  const stack = await describeStack(cloudFormation, stackName, signal);
  const state = stackState(stack);
  if (stack !== null && state !== 'none') {
    requireOurs(stack, appName, 'the image needs a stack of this name, so give --image', IMAGE_PARAMETER);
  }
  requireDeployable(stack);
  if (state === 'failed') {
    // What it holds is made again, and is often why the stack could not be deleted.
    await emptyBuckets(await stackResources(cloudFormation, stackName, signal), s3, signal);
    await removeStack({ cloudFormation, stackName, stackId: stack?.StackId ?? stackName }, context);
  }
  const isUpdate = state === 'usable';
  const changeSet = await createChangeSet({
    cloudFormation,
    stackName,
    templateBody: file.body,
    parameters: changeSetParameters(file.template, changes, isUpdate ? parametersOf(stack) : {}),
    type: isUpdate ? 'UPDATE' : 'CREATE',
    clock,
    signal,
  });
  if (changeSet !== null) {
    say(context, `${isUpdate ? 'updating' : 'creating'} the stack ${stackName}`);
    const { stackId } = changeSet;
    await applyChangeSet(changeSet, { cloudFormation, stackName, stackId }, context);
  }
  return outputsOf(await describeStack(cloudFormation, stackName, signal));
}

/** Whether an image that is given is there, if it is in a repository of this account and region. */
export async function checkImage(
  image: string,
  ecr: Pick<ECRClient, 'send'>,
  { account, region, signal }: { account: string; region: string; signal: AbortSignal },
): Promise<Finding> {
  const what = 'image';
  if (!image.startsWith(`${account}.dkr.ecr.${region}.`)) {
    return ok(what, `${image}: not checked, as it is of another account or region`);
  }
  try {
    const isThere = await hasImage(ecr, image, signal);
    return isThere ? ok(what, image) : problem(what, `there is no ${image}`);
  } catch (error) {
    return notChecked(what, error);
  }
}

/** https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html */
async function hasImage(ecr: Pick<ECRClient, 'send'>, image: string, signal: AbortSignal): Promise<boolean> {
  const [, repositoryName, separator, reference] = /^[^/]+\/([^:@]+)(?:([:@])(.+))?$/.exec(image) ?? [];
  const imageId = separator === '@' ? { imageDigest: reference } : { imageTag: reference ?? 'latest' };
  const command = new DescribeImagesCommand({ repositoryName, imageIds: [imageId] });
  try {
    await ecr.send(command, { abortSignal: signal });
    return true;
  } catch (error) {
    const isMissing = ['ImageNotFoundException', 'RepositoryNotFoundException'].includes(errorName(error));
    if (isMissing) return false;
    throw error;
  }
}

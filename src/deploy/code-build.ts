import { randomUUID } from 'node:crypto';
import {
  BatchGetBuildsCommand,
  type Build,
  type CodeBuildClient,
  StartBuildCommand,
  StopBuildCommand,
} from '@aws-sdk/client-codebuild';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { KvsInferenceError } from '../core/errors.ts';
import { type Context, say } from './context.ts';
import { type Sources, zipSources } from './sources.ts';

export interface CodeBuildBuild {
  readonly codeBuild: Pick<CodeBuildClient, 'send'>;
  readonly s3: Pick<S3Client, 'send'>;
  readonly bucket: string;
  readonly project: string;
  readonly tag: string;
  readonly sources: Sources;
}

const POLL_INTERVAL_MILLIS = 5000;

/**
 * Has AWS CodeBuild build the image and push it; the project knows the repository and how.
 *
 * @throws {KvsInferenceError} IMAGE if the build fails
 */
export async function buildWithCodeBuild(build: CodeBuildBuild, context: Context): Promise<void> {
  const { codeBuild, s3, bucket, project, tag, sources } = build;
  const { signal } = context;
  const key = `sources/${tag}.zip`;
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: zipSources(sources) }), {
    abortSignal: signal,
  });
  const command = new StartBuildCommand({
    projectName: project,
    sourceTypeOverride: 'S3',
    sourceLocationOverride: `${bucket}/${key}`,
    environmentVariablesOverride: [{ name: 'TAG', value: tag }],
    // The SDK tries again where no answer comes: that is not to be a second build.
    idempotencyToken: randomUUID(),
  });
  // Not to be broken off: there would be a build that nobody stops.
  const { build: started } = await codeBuild.send(command);
  const id = started?.id;
  if (id === undefined) throw new KvsInferenceError('IMAGE', 'StartBuild answered without an id');
  say(context, `building with CodeBuild: ${id}`);
  let ended: Build;
  try {
    ended = await followBuild(id, codeBuild, context);
  } catch (error) {
    // Nobody waits for it any more.
    await codeBuild.send(new StopBuildCommand({ id })).catch(() => undefined);
    throw error;
  }
  if (ended.buildStatus !== 'SUCCEEDED') throw buildFailed(ended);
}

/** @returns it when it has ended */
async function followBuild(
  id: string,
  codeBuild: Pick<CodeBuildClient, 'send'>,
  context: Context,
): Promise<Build> {
  const { clock, signal } = context;
  const said = new Set<string>();
  for (;;) {
    const { builds } = await codeBuild.send(new BatchGetBuildsCommand({ ids: [id] }), {
      abortSignal: signal,
    });
    const build = builds?.[0];
    if (build === undefined)
      throw new KvsInferenceError('IMAGE', `CodeBuild knows nothing of the build ${id}`);
    for (const { phaseType = '', phaseStatus } of build.phases ?? []) {
      if (phaseStatus === undefined || said.has(phaseType)) continue;
      said.add(phaseType);
      say(context, `  ${phaseStatus}  ${phaseType}`);
    }
    if (build.buildStatus !== undefined && build.buildStatus !== 'IN_PROGRESS') return build;
    await clock.sleep(POLL_INTERVAL_MILLIS, signal);
  }
}

function buildFailed({ buildStatus, phases = [], logs }: Build): KvsInferenceError {
  const reasons = phases
    .flatMap(({ phaseType, contexts = [] }) => contexts.map(({ message }) => ({ phaseType, message })))
    .filter(({ message }) => message)
    .map(({ phaseType, message }) => `\n  ${phaseType}: ${message}`);
  const log = logs?.deepLink === undefined ? '' : `\n  log: ${logs.deepLink}`;
  return new KvsInferenceError('IMAGE', `the build ended as ${buildStatus}${reasons.join('')}${log}`);
}

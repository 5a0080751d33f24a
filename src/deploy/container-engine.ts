import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ECRClient, GetAuthorizationTokenCommand } from '@aws-sdk/client-ecr';
import { KvsInferenceError } from '../core/errors.ts';
import { type Context, say } from './context.ts';

/** As the option has them. */
export const ENGINES = ['docker', 'podman'] as const;
export type Engine = (typeof ENGINES)[number];

/** A daemon that does not answer is none. */
const INFO_TIMEOUT_MILLIS = 20_000;

/** The first one that is installed and works. */
export async function findEngine(engines: readonly Engine[], context: Context): Promise<Engine | null> {
  for (const engine of engines) {
    const options = { timeout: INFO_TIMEOUT_MILLIS, quiet: true };
    if ((await run(engine, ['info'], context, options)) === 0) return engine;
  }
  return null;
}

export interface EngineBuild {
  readonly engine: Engine;
  readonly ecr: Pick<ECRClient, 'send'>;
  /** Repository and tag. */
  readonly image: string;
  /** Such as `linux/arm64`. */
  readonly platform: string;
}

/** As container engines call what Node.js calls `process.arch`. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * Builds the image from the clone and pushes it. The registry's password is in no argument, and in none of the user's
 * own files or stores of credentials: only in a folder that is deleted after the push.
 *
 * @throws {KvsInferenceError} IMAGE if a step fails
 */
export async function buildWithEngine(build: EngineBuild, context: Context): Promise<void> {
  const { engine, image, platform } = build;
  say(context, `building ${image} with ${engine} for ${platform}`);
  await step(
    build,
    ['build', ...engineArguments(engine), '--platform', platform, '--target', 'worker', '--tag', image, '.'],
    `the image cannot be built; if this machine cannot build for ${platform}: --engine codebuild, or --cpu-architecture`,
    context,
  );
  const token = await registryToken(build.ecr, context.signal);
  const folder = mkdtempSync(join(tmpdir(), 'kvs-inference-'));
  try {
    const file = writeLogin(folder, image.slice(0, image.indexOf('/')), token, context.environment);
    // Docker takes the one, Podman the other.
    const variables = { DOCKER_CONFIG: folder, REGISTRY_AUTH_FILE: file };
    await step(build, ['push', image], 'the image cannot be pushed', context, variables);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Podman knows HEALTHCHECK only in Docker's format, and older ones take the image's platform for the builder's. */
function engineArguments(engine: Engine): string[] {
  if (engine !== 'podman') return [];
  const architecture = ARCHITECTURES[process.arch];
  const platform = architecture === undefined ? [] : ['--build-arg', `BUILDPLATFORM=linux/${architecture}`];
  return ['--format', 'docker', ...platform];
}

/**
 * The user's name and password in base64, as a login in the engine's configuration has them
 * (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html).
 */
async function registryToken(ecr: Pick<ECRClient, 'send'>, signal: AbortSignal): Promise<string> {
  const { authorizationData } = await ecr.send(new GetAuthorizationTokenCommand({}), { abortSignal: signal });
  const token = authorizationData?.[0]?.authorizationToken;
  if (!token) throw new KvsInferenceError('IMAGE', 'GetAuthorizationToken answered without a token');
  return token;
}

/**
 * A configuration of Docker with one login, and the user's contexts, which say where the engine is. A login that is
 * written, and not made by `docker login`, gets into no store of credentials.
 *
 * @returns the path of the file
 */
function writeLogin(folder: string, registry: string, auth: string, { DOCKER_CONFIG }: NodeJS.ProcessEnv) {
  const own = DOCKER_CONFIG ?? join(homedir(), '.docker');
  if (existsSync(join(own, 'contexts'))) {
    cpSync(join(own, 'contexts'), join(folder, 'contexts'), { recursive: true });
  }
  const file = join(folder, 'config.json');
  const content = { auths: { [registry]: { auth } }, ...currentContext(join(own, 'config.json')) };
  writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
  return file;
}

function currentContext(path: string): { currentContext?: unknown } {
  try {
    const { currentContext } = JSON.parse(readFileSync(path, 'utf8')) as { currentContext?: unknown };
    return currentContext === undefined ? {} : { currentContext };
  } catch {
    // There is none, or one that Docker itself does not read either.
    return {};
  }
}

async function step(
  { engine }: EngineBuild,
  args: readonly string[],
  problem: string,
  context: Context,
  variables: Readonly<Record<string, string>> = {},
): Promise<void> {
  const exitCode = await run(engine, args, context, { variables });
  context.signal.throwIfAborted();
  if (exitCode !== 0) {
    throw new KvsInferenceError(
      'IMAGE',
      `${problem} (${engine} ${args[0]}: exit code ${exitCode ?? 'none'})`,
    );
  }
}

/** @returns the exit code; null if the program is not there, or was stopped */
async function run(
  command: string,
  args: readonly string[],
  { root, environment, terminal, signal }: Context,
  options: { variables?: Readonly<Record<string, string>>; timeout?: number; quiet?: boolean },
): Promise<number | null> {
  const { variables, timeout, quiet = false } = options;
  return await new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      // Without attestations an image is one manifest, which a lifecycle policy counts as one.
      env: { ...environment, DOCKER_BUILDKIT: '1', BUILDX_NO_DEFAULT_ATTESTATIONS: '1', ...variables },
      stdio: ['ignore', quiet ? 'ignore' : 'pipe', quiet ? 'ignore' : 'pipe'],
      signal,
    });
    // Not the option of spawn(): its timer outlives a program that is not there.
    const timer = timeout === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), timeout);
    const end = (exitCode: number | null) => {
      clearTimeout(timer);
      resolve(exitCode);
    };
    child.stdout?.pipe(terminal.output, { end: false });
    child.stderr?.pipe(terminal.output, { end: false });
    child.once('error', () => end(null));
    child.once('close', end);
  });
}

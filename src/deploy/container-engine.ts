import { spawn } from 'node:child_process';
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

/**
 * Builds the image from the clone and pushes it. The registry's password goes through standard input only, and is
 * forgotten afterwards.
 *
 * @throws {KvsInferenceError} IMAGE if a step fails
 */
export async function buildWithEngine(build: EngineBuild, context: Context): Promise<void> {
  const { engine, image, platform } = build;
  const registry = image.slice(0, image.indexOf('/'));
  say(context, `building ${image} with ${engine} for ${platform}`);
  await step(
    build,
    ['build', '--platform', platform, '--target', 'worker', '--tag', image, '.'],
    `the image cannot be built; if this machine cannot build for ${platform}: --engine codebuild, or --cpu-architecture`,
    context,
  );
  const password = await registryPassword(build.ecr, context.signal);
  const login = ['login', '--username', 'AWS', '--password-stdin', registry];
  await step(build, login, `${registry} cannot be logged in to`, context, password);
  try {
    await step(build, ['push', image], 'the image cannot be pushed', context);
  } finally {
    await run(engine, ['logout', registry], context, { quiet: true });
  }
}

/** https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html */
async function registryPassword(ecr: Pick<ECRClient, 'send'>, signal: AbortSignal): Promise<string> {
  const { authorizationData } = await ecr.send(new GetAuthorizationTokenCommand({}), { abortSignal: signal });
  const token = Buffer.from(authorizationData?.[0]?.authorizationToken ?? '', 'base64').toString();
  const colon = token.indexOf(':');
  if (colon < 0) throw new KvsInferenceError('IMAGE', 'GetAuthorizationToken answered without a token');
  return token.slice(colon + 1);
}

async function step(
  { engine }: EngineBuild,
  args: readonly string[],
  problem: string,
  context: Context,
  input?: string,
): Promise<void> {
  const exitCode = await run(engine, args, context, input === undefined ? {} : { input });
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
  options: { input?: string; timeout?: number; quiet?: boolean } = {},
): Promise<number | null> {
  const { input, timeout, quiet = false } = options;
  return await new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      // Without attestations an image is one manifest, which a lifecycle policy counts as one.
      env: { ...environment, BUILDX_NO_DEFAULT_ATTESTATIONS: '1' },
      stdio: ['pipe', quiet ? 'ignore' : 'pipe', quiet ? 'ignore' : 'pipe'],
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
    // A program that is not there, or reads nothing, has no end to write to.
    child.stdin?.on('error', () => undefined).end(input ?? '');
  });
}

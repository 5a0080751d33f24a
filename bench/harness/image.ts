import { type SpawnOptionsWithoutStdio, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/*
 * What a worker runs with in its image, as the Dockerfile has it.
 */

export const IMAGE_NODE_FLAGS: readonly string[] = ['--max-semi-space-size=2', '--initial-old-space-size=64'];

export const IMAGE_ENVIRONMENT: Readonly<Record<string, string>> = {
  NODE_ENV: 'production',
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '4194304',
  MALLOC_TRIM_THRESHOLD_: '16777216',
};

/** For `inChild`. */
export const IN_IMAGE = { env: IMAGE_ENVIRONMENT, nodeFlags: IMAGE_NODE_FLAGS };

/** Built by scripts/bench.mjs before; the bundle of the bench lies in node_modules/.cache of the clone. */
const WORKER = fileURLToPath(new URL('../../../../dist/main.js', import.meta.url));

type SpawnOptions = Pick<SpawnOptionsWithoutStdio, 'killSignal' | 'signal' | 'timeout'>;

/**
 * Starts a worker as the image runs it.
 *
 * @param options.nodeFlags beside the image's
 * @param options.script instead of the clone's build
 */
export function spawnWorker(
  variables: Readonly<Record<string, string>>,
  options: { nodeFlags?: readonly string[]; script?: string } & SpawnOptions = {},
) {
  const { nodeFlags = [], script = WORKER, ...rest } = options;
  return spawn(process.execPath, [...IMAGE_NODE_FLAGS, ...nodeFlags, script, 'worker'], {
    ...rest,
    // Nothing else: what surrounds a benchmark is not to decide how it ends.
    env: { PATH: process.env['PATH'], ...IMAGE_ENVIRONMENT, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

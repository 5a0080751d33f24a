import { spawn } from 'node:child_process';
import { IMAGE_ENVIRONMENT, IMAGE_NODE_FLAGS } from '../harness/image.ts';

/** Built by scripts/bench.mjs before. */
const PROGRAM = 'dist/main.js';

export interface Worker {
  readonly pid: number;
  /** @throws {Error} where it runs no more */
  throwIfEnded(): void;
  /** Ends it as Fargate does. @throws {Error} if it fails */
  end(): Promise<void>;
  /** Ends it if it still runs. */
  kill(): Promise<void>;
}

/** A worker as the image runs it. */
export function startWorker(variables: Readonly<Record<string, string>>): Worker {
  const child = spawn(process.execPath, [...IMAGE_NODE_FLAGS, PROGRAM, 'worker'], {
    // Nothing else: what surrounds a benchmark is not to decide how it ends.
    env: { PATH: process.env['PATH'], ...IMAGE_ENVIRONMENT, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.pid === undefined) throw new Error(`${PROGRAM} does not start`);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  let code: number | null | undefined;
  const closed = new Promise<void>((resolve) => {
    child.once('close', (exitCode) => {
      code = exitCode;
      resolve();
    });
  });
  const failure = () => new Error(`the worker ended with ${code}: ${output}`);
  return {
    pid: child.pid,
    throwIfEnded() {
      if (code !== undefined) throw failure();
    },
    async end() {
      child.kill('SIGTERM');
      await closed;
      if (code !== 0) throw failure();
    },
    async kill() {
      child.kill('SIGKILL');
      await closed;
    },
  };
}

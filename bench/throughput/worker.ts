import { spawnWorker } from '../harness/image.ts';

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
  const child = spawnWorker(variables);
  if (child.pid === undefined) throw new Error(`${child.spawnfile} does not start`);
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

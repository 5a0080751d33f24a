import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { spawnWorker } from '../harness/image.ts';
import { cpuSecondsOf } from '../harness/process-usage.ts';
import type { Arrival, startServices } from './services.ts';

/** From the call that starts a process. */
export interface Start {
  readonly seconds: number;
  /** Of the process; null where the system does not tell. */
  readonly cpuSeconds: number | null;
  readonly arrivals: readonly Arrival[];
  readonly startedNanos: bigint;
}

const PATIENCE_MILLIS = 60_000;

/** A worker from exec to its first GetMedia request. It is killed then. */
export async function startWorker(
  script: string,
  applicationName: string,
  services: Awaited<ReturnType<typeof startServices>>,
  signal: AbortSignal,
): Promise<Start> {
  const media = services.untilMedia();
  const startedNanos = process.hrtime.bigint();
  const variables = { ...services.env, CONFIG_PARAMETER: applicationName };
  const ending = { signal, killSignal: 'SIGKILL', timeout: PATIENCE_MILLIS } as const;
  const worker = spawnWorker(variables, { script, ...ending });
  const lines = Promise.all([text(worker.stdout), text(worker.stderr)]);
  const closed = once(worker, 'close');
  const early = closed.then(async () => {
    throw new Error(`the worker has asked for no media: ${(await lines).join('')}`);
  });
  const arrivals = await Promise.race([media, early]);
  const cpuSeconds = process.platform === 'linux' ? cpuSecondsOf(Number(worker.pid)) : null;
  worker.kill('SIGKILL');
  await closed;
  const last = arrivals.at(-1)?.atNanos ?? startedNanos;
  return { seconds: Number(last - startedNanos) / 1e9, cpuSeconds, arrivals, startedNanos };
}

/** A program that tells when it has imported what it is to import. */
export async function startImports(
  script: string,
  signal: AbortSignal,
): Promise<Pick<Start, 'seconds' | 'cpuSeconds'>> {
  const startedNanos = process.hrtime.bigint();
  const program = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'], signal });
  const [output] = await Promise.all([text(program.stdout), once(program, 'close')]);
  const { atNanos, cpuSeconds, names } = JSON.parse(output);
  if (names.length === 0) throw new Error(`${script} has imported nothing`);
  return { seconds: Number(BigInt(atNanos) - startedNanos) / 1e9, cpuSeconds };
}

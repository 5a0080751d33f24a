import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import type { Arrival, startServices } from './services.ts';

/** From the call that starts a process. */
export interface Start {
  readonly seconds: number;
  /** Of the process; null where the system does not tell. */
  readonly cpuSeconds: number | null;
  readonly arrivals: readonly Arrival[];
  readonly startedNanos: bigint;
}

/** Of /proc/PID/stat in a second, proc_pid_stat(5). */
const TICKS = 100;
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
  const worker = spawn(process.execPath, [script, 'worker'], {
    env: { ...process.env, ...services.env, CONFIG_PARAMETER: applicationName },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
    timeout: PATIENCE_MILLIS,
  });
  const lines = Promise.all([text(worker.stdout), text(worker.stderr)]);
  const closed = once(worker, 'close');
  const early = closed.then(async () => {
    throw new Error(`the worker has asked for no media: ${(await lines).join('')}`);
  });
  const arrivals = await Promise.race([media, early]);
  const cpuSeconds = cpuSecondsOf(worker.pid);
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

function cpuSecondsOf(pid: number | undefined): number | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return null;
  }
}

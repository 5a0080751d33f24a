import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessagePort } from 'node:worker_threads';
import { type CostsOptions, type CostsReport, measureCosts } from './costs.ts';
import { InvariantError } from './ledger.ts';
import { RunLog } from './run-log.ts';
import { type SimulationOptions, type SimulationReport, simulate } from './simulate.ts';

/** What a thread does, alone. */
export type Job =
  | { readonly type: 'SIMULATE'; readonly options: SimulationOptions; readonly withStacks: boolean }
  | { readonly type: 'COSTS'; readonly options: CostsOptions };

/** What a thread tells of it. */
export type JobMessage =
  | { readonly type: 'PROGRESS'; readonly virtualMillis: number; readonly totalMillis: number }
  | { readonly type: 'SIMULATED'; readonly report: SimulationReport; readonly realMillis: number }
  | { readonly type: 'FAILED'; readonly failure: Failure }
  | { readonly type: 'MEASURED'; readonly report: CostsReport };

export interface Failure {
  readonly virtualMillis: number;
  readonly problem: string;
  /** Whether the fleet did what it must not, in contrast to the simulation itself. */
  readonly isInvariant: boolean;
  readonly logFile: string;
}

/** So often a thread tells how far it is. */
const PROGRESS_MILLIS = 200;

/** Does the job in this thread. */
export async function doJob(job: Job, port: Pick<MessagePort, 'postMessage'>): Promise<void> {
  const tell = (message: JobMessage) => port.postMessage(message);
  let now = 0;
  let toldAt = performance.now();
  const onProgress = (virtualMillis: number, totalMillis: number) => {
    now = virtualMillis;
    if (performance.now() < toldAt + PROGRESS_MILLIS) return;
    toldAt = performance.now();
    tell({ type: 'PROGRESS', virtualMillis, totalMillis });
  };
  if (job.type === 'COSTS') {
    tell({ type: 'MEASURED', report: await measureCosts(job.options, onProgress) });
    return;
  }
  // Every request that is called off or refused makes an error: their stack traces take a quarter of the time.
  if (!job.withStacks) Error.stackTraceLimit = 0;
  const log = new RunLog();
  const startedAt = performance.now();
  // What goes wrong where nobody waits for it.
  let fail: (error: unknown) => void = () => undefined;
  const unhandled = new Promise<never>((_, reject) => {
    fail = reject;
  });
  process.on('unhandledRejection', fail);
  try {
    const report = await Promise.race([simulate(job.options, { log, onProgress }), unhandled]);
    tell({ type: 'SIMULATED', report, realMillis: performance.now() - startedAt });
  } catch (error) {
    const isInvariant = error instanceof InvariantError;
    const problem = isInvariant ? error.message : error instanceof Error ? `${error.stack}` : String(error);
    const logFile = await written(log, `seed-${job.options.seed}.log`);
    tell({ type: 'FAILED', failure: { virtualMillis: now, problem, isInvariant, logFile } });
  } finally {
    process.off('unhandledRejection', fail);
  }
}

async function written(log: RunLog, name: string): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'kvs-inference-simulation-')), name);
  await writeFile(path, log.lines());
  return path;
}

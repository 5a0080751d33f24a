import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Job, JobMessage } from './job.ts';

/**
 * Nearly all that a simulation makes is garbage soon: with room for the young it takes two thirds of the time. The rest
 * is for the largest fleet.
 */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 192, maxOldGenerationSizeMb: 6144 };

interface ThreadOptions<J extends Job> {
  /** The module that the threads run: does each job that it is sent, and answers with messages. */
  program: URL;
  /** Called with what is told of a job; the last message is no PROGRESS. */
  onMessage: (job: J, message: JobMessage) => void;
  signal: AbortSignal;
}

/**
 * Does the jobs in threads, one for each core, each of them one job after the other.
 *
 * @throws what a thread throws, and what `signal` aborts with, when every thread has ended
 */
export async function inThreads<J extends Job>(jobs: readonly J[], options: ThreadOptions<J>): Promise<void> {
  const rest = [...jobs];
  const threads = Array.from({ length: Math.min(availableParallelism(), jobs.length) }, () =>
    doJobs(rest, options),
  );
  const results = await Promise.allSettled(threads);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  options.signal.throwIfAborted();
}

/** @param rest jobs that no thread has begun */
async function doJobs<J extends Job>(rest: J[], options: ThreadOptions<J>): Promise<void> {
  const { program, onMessage, signal } = options;
  const thread = new Worker(program, { resourceLimits: RESOURCE_LIMITS });
  const end = () => void thread.terminate();
  signal.addEventListener('abort', end, { once: true });
  const next = () => {
    const job = rest.shift();
    if (job === undefined) end();
    else thread.postMessage(job);
    return job;
  };
  let isBroken = false;
  let job = next();
  thread.on('message', (message: JobMessage) => {
    if (job === undefined) return;
    onMessage(job, message);
    if (message.type === 'PROGRESS') return;
    // It may be going on.
    isBroken = message.type === 'FAILED' && !message.failure.isInvariant;
    if (isBroken) end();
    else job = next();
  });
  try {
    await new Promise<void>((resolve, reject) => {
      thread.on('error', reject);
      thread.on('exit', () => resolve());
    });
  } catch (error) {
    rest.length = 0;
    throw error;
  } finally {
    signal.removeEventListener('abort', end);
  }
  if (isBroken && rest.length > 0 && !signal.aborted) await doJobs(rest, options);
}

import { readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { doJob, type JobMessage } from './job.ts';
import { RunLog } from './run-log.ts';
import { failureLines, seedJob } from './seeds.ts';

test('a fleet that fails is told with its seed, how to see it again, and the log', async () => {
  const told = { small: true, workers: 1, streams: 3, minutes: 3, stacks: true };
  const job = seedJob(11, told);
  // Nobody is there to take the leases.
  job.options.workers = 0;
  const messages: JobMessage[] = [];
  await doJob(job, { postMessage: (message: JobMessage) => messages.push(message) });
  const last = messages.at(-1);
  if (last?.type !== 'FAILED') throw new Error(`${last?.type}`);
  const { failure } = last;
  try {
    expect(failure).toMatchObject({ isInvariant: true, problem: expect.stringContaining('not balanced') });
    expect(await readFile(failure.logFile, 'utf8')).toBe('');
    const lines = failureLines(job.options, failure, told);
    expect(lines).toContain('seed 11: FAILED after 270.0 s virtual: not balanced: 0 leases of 3');
    expect(lines).toContain('npm run simulate -- --seed 11 --small --workers 0 --streams 3 --minutes 3\n');
    expect(lines).toContain(failure.logFile);
  } finally {
    await rm(dirname(failure.logFile), { recursive: true });
  }
});

test('the log of a run has virtual times', () => {
  const log = new RunLog();
  log.add(1234.5, 'worker-1', '{"level":"info","time":"2026-01-01T00:00:00.000Z","msg":"lease taken"}');
  expect([...log.lines()]).toEqual(['{"at":1235,"on":"worker-1","level":"info","msg":"lease taken"}\n']);
});

import { randomInt } from 'node:crypto';
import { isMainThread, type MessagePort, parentPort } from 'node:worker_threads';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { createLogUpdate } from 'log-update';
import picocolors from 'picocolors';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from '../../src/cli/exit-code.ts';
import { silenceSdkVersionNote } from '../../src/core/environment.ts';
import { type CostsFigures, costsText, figuresOf } from './costs-report.ts';
import { doJob, type Job, type JobMessage } from './job.ts';
import { type FleetOptions, failureLines, reportLine, seedJob } from './seeds.ts';
import { inThreads } from './threads.ts';

interface Options extends FleetOptions {
  seeds: number;
  seed?: number;
  costs: boolean;
  json: boolean;
}

/** Of seeds and all else that is counted. */
const MAX_NUMBER = 1_000_000;
/** The longest first. */
const COSTS = [
  { leases: 10_000, workers: 500, minutes: 1 },
  { leases: 10_000, workers: 100, minutes: 2 },
  { leases: 1000, workers: 50, minutes: 3 },
  { leases: 1000, workers: 10, minutes: 3 },
  { leases: 100, workers: 5, minutes: 3 },
  { leases: 100, workers: 1, minutes: 3 },
  { leases: 10, workers: 1, minutes: 3 },
];

/** Fleets that go through trouble, one for each seed. @returns whether all did well */
async function simulateSeeds(options: Options, signal: AbortSignal): Promise<boolean> {
  const { seeds, seed = randomInt(1, MAX_NUMBER) } = options;
  const jobs = Array.from({ length: seeds }, (_, index) => seedJob(seed + index, options));
  const good = (text: string) => print(picocolors.green(text));
  let isAllGood = true;
  await run(
    jobs,
    signal,
    ({ options: job }) => `seed ${job.seed}`,
    ({ options: job }, message) => {
      if (options.json && message.type !== 'PROGRESS') print(JSON.stringify(message));
      else if (message.type === 'SIMULATED') good(reportLine(message.report, message.realMillis));
      else if (message.type === 'FAILED') print(picocolors.red(failureLines(job, message.failure, options)));
      if (message.type === 'FAILED') isAllGood = false;
    },
  );
  return isAllGood;
}

/** What fleets cost that nothing happens to. */
async function compareCosts({ json }: Options, signal: AbortSignal): Promise<boolean> {
  const jobs = COSTS.map((options) => ({ type: 'COSTS', options }) as const);
  const figures: CostsFigures[] = [];
  await run(
    jobs,
    signal,
    ({ options }) => `${options.leases} leases`,
    (_, message) => {
      if (message.type === 'MEASURED') figures.push(figuresOf(message.report));
    },
  );
  figures.sort((one, other) => one.leases - other.leases || one.workers - other.workers);
  print(json ? JSON.stringify(figures) : costsText(figures));
  return true;
}

/** On a terminal the last line tells how far each thread is. */
async function run<J extends Job>(
  jobs: readonly J[],
  signal: AbortSignal,
  nameOf: (job: J) => string,
  onResult: (job: J, message: JobMessage) => void,
): Promise<void> {
  const underWay = new Map<J, string>();
  const show = () => {
    if (process.stderr.isTTY) status([...underWay.values()].join('   '));
  };
  const onMessage = (job: J, message: JobMessage) => {
    if (message.type === 'PROGRESS') {
      const seconds = [message.virtualMillis, message.totalMillis].map((millis) => Math.round(millis / 1000));
      underWay.set(job, `${nameOf(job)}: ${seconds.join(' of ')} s`);
    } else {
      underWay.delete(job);
      status.clear();
      onResult(job, message);
    }
    show();
  };
  try {
    await inThreads(jobs, { program: new URL(import.meta.url), onMessage, signal });
  } finally {
    status.clear();
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function wholeNumber(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > MAX_NUMBER) {
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${MAX_NUMBER}.`);
  }
  return number;
}

/** Shorter, and there is no time for the outages. */
function minutes(value: string): number {
  const number = Number(value);
  if (!(number >= 3 && number <= 600)) throw new InvalidArgumentError('It must be a number from 3 to 600.');
  return number;
}

async function main(): Promise<number> {
  const program = new Command('simulate')
    .description(
      'Fleets of workers in virtual time, going through trouble by chance; the same for the same seed.',
    )
    .option('--seeds <n>', 'fleets to simulate', wholeNumber, 1)
    .option('--seed <n>', 'the first seed; by chance unless told', wholeNumber)
    .option('--small', 'a fleet of 6 workers and 40 streams in place of 50 and 1,000', false)
    .option('--workers <n>', 'workers', wholeNumber)
    .option('--streams <n>', 'streams', wholeNumber)
    .option('--minutes <n>', 'how long there is trouble, virtual minutes', minutes)
    .option('--stacks', 'keep stack traces, which takes longer', false)
    .option('--costs', 'measure what quiet fleets cost instead', false)
    .option('--json', 'print JSON', false)
    .exitOverride();
  try {
    const options = program.parse().opts<Options>();
    const isGood = await (options.costs ? compareCosts : simulateSeeds)(options, stop.signal);
    return isGood ? EXIT_OK : EXIT_FAILED;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    if (!stop.signal.aborted) throw error;
    process.stderr.write('interrupted\n');
    return EXIT_FAILED;
  }
}

silenceSdkVersionNote();
const stop = new AbortController();
const status = createLogUpdate(process.stderr);
if (isMainThread) {
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stop.abort());
  process.exitCode = await main();
} else {
  // What a job rejects with ends the thread.
  parentPort?.on('message', (job: Job) => void doJob(job, parentPort as MessagePort));
}

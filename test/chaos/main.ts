import { randomInt } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import picocolors from 'picocolors';
import { silenceSdkVersionNote } from '../../src/core/environment.ts';
import { errorMessage } from '../../src/core/errors.ts';
import { Random } from '../support/random.ts';
import { planActions } from './actions.ts';
import { killAndTerminateOne, performPlan } from './perform.ts';
import { isGood, reportLines } from './report.ts';
import { type RoundOptions, runRound } from './round.ts';

interface Options {
  seed?: number;
  seconds: number;
  workers: number;
  keepLogs: boolean;
  dist: string;
}

const STREAMS = Array.from({ length: 12 }, (_, index) => `camera-${index + 1}`);
/** What all takes that is not chaos itself; more, and something hangs. */
const MAX_OTHER_MILLIS = 70_000;

/**
 * Real worker processes that are killed, stopped and cut off at random, beside one that nothing happens to: in the
 * end the same ids are published. Ends with 1 if not. The seed determines what is done and when, and nothing else: how
 * the processes run side by side is up to the machine.
 */
async function chaos(options: Options, signal: AbortSignal): Promise<boolean> {
  const { seed = randomInt(2 ** 31), seconds, workers, dist } = options;
  const logFolder = await mkdtemp(join(tmpdir(), 'kvs-inference-chaos-logs-'));
  const random = new Random(seed);
  const common = { streams: STREAMS, workers, dist, logFolder, random, note, signal };
  let isAllGood = false;
  try {
    print(`seed ${seed}: ${workers} workers, ${STREAMS.length} streams, ${seconds} s`);
    const plan = planActions({ seed, millis: seconds * 1000, workers });
    const isQuickGood = await round('fail-over time 2 s, everything at random', {
      ...common,
      name: 'chaos',
      config: {
        failoverTimeInMilli: 2000,
        checkpointIntervalInMilli: 500,
        readStallTimeoutInMilli: 4000,
      },
      act: (stage) => performPlan(stage, plan, seconds * 1000),
    });
    // What has failed has waited for what did not come: there is no time for more.
    isAllGood =
      isQuickGood &&
      (await round('default times, one SIGKILL, one SIGTERM', {
        ...common,
        name: 'defaults',
        config: {},
        act: killAndTerminateOne,
      }));
    return isAllGood;
  } finally {
    const isKept = options.keepLogs || (!isAllGood && !isInterrupted);
    if (!isKept) await rm(logFolder, { recursive: true });
    else print(`${isAllGood ? '' : `failed with seed ${seed}; `}logs of the workers: ${logFolder}`);
  }
}

async function round(title: string, options: RoundOptions): Promise<boolean> {
  print(picocolors.bold(title));
  const figures = await runRound(options);
  const isRoundGood = isGood(figures);
  const color = isRoundGood ? picocolors.green : picocolors.red;
  for (const line of reportLines(figures)) print(color(line));
  return isRoundGood;
}

function note(text: string): void {
  print(picocolors.dim(`  ${(performance.now() / 1000).toFixed(1).padStart(5)} s  ${text}`));
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function wholeNumber(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new InvalidArgumentError('It must be a whole number from 1.');
  }
  return number;
}

const program = new Command('test:chaos')
  .option('--seed <n>', 'determines what is done and when', wholeNumber)
  .option('--seconds <n>', 'how long harm is done', wholeNumber, 50)
  .option('--workers <n>', 'worker processes', wholeNumber, 3)
  .option('--keep-logs', "keep the workers' logs also if all is well", false)
  .addOption(new Option('--dist <folder>', 'of the bundled program').makeOptionMandatory().hideHelp());
const options = program.parse().opts<Options>();

silenceSdkVersionNote();
// One signal stops every camera, another one whatever waits.
setMaxListeners(100);
const stop = new AbortController();
let isInterrupted = false;
// Not once: a second Ctrl-C must not end us before every process is.
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    isInterrupted = true;
    stop.abort(new Error('interrupted'));
  });
}
const limitMillis = options.seconds * 1000 + MAX_OTHER_MILLIS;
const limit = setTimeout(() => stop.abort(new Error(`not done within ${limitMillis / 1000} s`)), limitMillis);

try {
  process.exitCode = (await chaos(options, stop.signal)) ? 0 : 1;
} catch (error) {
  process.stderr.write(
    `${stop.signal.aborted ? errorMessage(stop.signal.reason) : (error as Error).stack}\n`,
  );
  process.exitCode = 1;
} finally {
  clearTimeout(limit);
}

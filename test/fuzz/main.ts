import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { createLogUpdate } from 'log-update';
import picocolors from 'picocolors';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, type ExitCode } from '../../src/cli/exit-code.ts';
import { errorMessage } from '../../src/core/errors.ts';
import { type Capture, caseOf, readCaptures } from './corpus.ts';
import { type Finding, type Fuzzing, fuzz, problemOfCase, writeCase } from './fuzzing.ts';

interface Options {
  minutes: number;
  seed?: number;
  replay?: string;
}

/** Real captures, where there are any beside the clone. */
const CAPTURES = '../shared/media';
const MAX_SEED = 1_000_000_000;
/** A case takes milliseconds. */
const HANG_MILLIS = 30_000;
const STATUS_MILLIS = 500;
/** So that memory without bound ends the thread, not the machine. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 512 };

async function main(): Promise<ExitCode> {
  const program = new Command('fuzz')
    .description('Damages Matroska in ways that keep its structure, and checks what the demuxer makes of it.')
    .argument('[captures...]', `files, or folders of .mkv files (default: ${CAPTURES} if it is there)`)
    .option('--minutes <n>', 'how long', minutesOf, 1)
    .option('--seed <n>', 'of the first case; by chance unless told', seedOf)
    .option('--replay <file>', 'check one file as it is instead')
    .addHelpText('after', '\nExit codes: 0 nothing found, 1 something found, 2 bad arguments.')
    .exitOverride();
  try {
    const options = program.parse().opts<Options>();
    if (options.replay !== undefined) return await replay(options.replay);
    return await search(program.args, options);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    throw error;
  }
}

async function replay(path: string): Promise<ExitCode> {
  const bytes = await orUsageError(readFile(path));
  const problem = problemOfCase(bytes, true);
  print(problem === null ? picocolors.green(`${path}: good`) : picocolors.red(`${path}: ${problem}`));
  return problem === null ? EXIT_OK : EXIT_FAILED;
}

async function search(args: readonly string[], options: Options): Promise<ExitCode> {
  const paths = args.length === 0 && existsSync(CAPTURES) ? [CAPTURES] : args;
  const captures = await orUsageError(readCaptures(paths));
  const { minutes, seed = randomInt(1, MAX_SEED) } = options;
  print(`seed ${seed}, ${captures.length === 0 ? 'no captures' : `${captures.length} captures`}`);
  const current = new SharedArrayBuffer(4);
  const finding = await inThread({ captures, seed, minutes, current });
  const cases = new Int32Array(current).at(0) as number;
  if (finding === null) {
    print(picocolors.green(`${cases - seed + 1} cases, nothing found`));
    return EXIT_OK;
  }
  const { bytes, mutations } = caseOf(captures, finding.seed);
  const path = await writeCase(bytes, finding.seed);
  print(picocolors.red(`seed ${finding.seed}: ${finding.problem}`));
  print(`  ${mutations.map(({ kind }) => kind).join(', ')}: ${bytes.length} bytes`);
  print(`  again: npm run fuzz -- --replay ${path}`);
  return EXIT_FAILED;
}

/** Nobody but another thread sees that one hangs. */
async function inThread(fuzzing: Fuzzing): Promise<Finding | null> {
  const { seed, minutes, current } = fuzzing;
  const view = new Int32Array(current);
  const thread = new Worker(new URL(import.meta.url), {
    workerData: fuzzing,
    resourceLimits: RESOURCE_LIMITS,
  });
  const startedAt = performance.now();
  let last = { seed: 0, at: startedAt };
  let watch: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve) => {
      const found = (problem: string) => resolve({ seed: Atomics.load(view, 0), problem });
      watch = setInterval(() => {
        const now = performance.now();
        const underWay = Atomics.load(view, 0);
        if (underWay !== last.seed) last = { seed: underWay, at: now };
        else if (now - last.at > HANG_MILLIS) found(`it hangs for ${HANG_MILLIS / 1000} s`);
        const seconds = Math.round((now - startedAt) / 1000);
        if (process.stderr.isTTY)
          status(`${seconds} of ${minutes * 60} s, ${Math.max(0, underWay - seed)} cases`);
      }, STATUS_MILLIS);
      thread.on('message', resolve);
      thread.on('error', (error) => found(`the thread ends: ${errorMessage(error)}`));
    });
  } finally {
    clearInterval(watch);
    status.clear();
    await thread.terminate();
  }
}

async function orUsageError<T>(reading: Promise<T>): Promise<T> {
  return await reading.catch((error: unknown) => {
    process.stderr.write(`error: ${errorMessage(error)}\n`);
    throw new CommanderError(EXIT_USAGE, 'UNREADABLE', errorMessage(error));
  });
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function minutesOf(value: string): number {
  const number = Number(value);
  if (!(number > 0 && number <= 100_000)) throw new InvalidArgumentError('It must be a number above 0.');
  return number;
}

function seedOf(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > MAX_SEED) {
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${MAX_SEED}.`);
  }
  return number;
}

const status = createLogUpdate(process.stderr);
if (isMainThread) {
  process.exitCode = await main();
} else {
  const fuzzing = workerData as Fuzzing;
  // Buffers arrive as what they are made of.
  const captures: Capture[] = fuzzing.captures.map((pieces) =>
    pieces.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  );
  parentPort?.postMessage(fuzz({ ...fuzzing, captures }));
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import picocolors from 'picocolors';
import { errorMessage } from '../src/core/errors.ts';
import { CASES } from './cases.ts';
import type { BenchCase, CaseResult } from './harness/bench-case.ts';
import { thisMachine } from './harness/machine.ts';
import { saveResults } from './report/save.ts';
import { machineText, resultText } from './report/text.ts';

/*
 * `npm run bench [NAME …] [-- --quick --json --save]`: each case beside its peers and its limit, in the same run.
 */

const ROUNDS = 5;
const EXIT_FAILED = 1;
const EXIT_INTERRUPTED = 130;

interface Options {
  readonly quick: boolean;
  readonly json: boolean;
  readonly save: boolean;
  readonly rounds: number;
}

async function bench(names: readonly string[], options: Options): Promise<void> {
  const interrupted = new AbortController();
  // Not once: npm hands a Ctrl-C on that the terminal has sent already.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());
  // Whoever read it has left.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => interrupted.abort());
  const machine = thisMachine();
  const colors = picocolors.createColors(process.stdout.isTTY === true);
  if (!options.json) process.stdout.write(`${machineText(machine)}\n`);
  const results: Record<string, CaseResult> = {};
  const isAsked = ({ name, isLong = false }: BenchCase) =>
    names.length === 0 ? !isLong : names.includes(name);
  for (const one of CASES.filter(isAsked)) {
    try {
      const result = await runCase(one, options, interrupted.signal);
      // So little work reaches nothing, and misses nothing.
      results[one.name] = options.quick ? { ...result, targets: [] } : result;
    } catch (error) {
      if (interrupted.signal.aborted) process.exit(EXIT_INTERRUPTED);
      process.stderr.write(`${one.name} failed: ${errorMessage(error)}\n`);
      process.exitCode = EXIT_FAILED;
      continue;
    }
    if (!options.json) {
      const title = colors.bold(`${one.name}: ${one.description}`);
      process.stdout.write(`\n${title}\n\n${resultText(results[one.name] as CaseResult, colors)}\n`);
    }
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ machine, quick: options.quick, results })}\n`);
  if (options.save) await saveResults({ machine, rounds: options.rounds }, results);
}

async function runCase(one: BenchCase, { quick, rounds }: Options, signal: AbortSignal): Promise<CaseResult> {
  if (one.needsLinux && process.platform !== 'linux') throw new Error('it needs Linux');
  const progress = (text: string) => process.stderr.write(`${one.name}: ${text}\n`);
  const folder = await mkdtemp(join(tmpdir(), 'kvs-inference-bench-'));
  try {
    return await one.run({ quick, rounds: quick ? 1 : rounds, folder, progress, signal });
  } finally {
    await rm(folder, { recursive: true });
  }
}

function caseName(name: string, before: readonly string[] = []): string[] {
  const names = CASES.map((one) => one.name);
  if (!names.includes(name)) throw new InvalidArgumentError(`The cases are ${names.join(', ')}.`);
  return [...before, name];
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('Expected a whole number from 1.');
  return Number(text);
}

const program = new Command('bench')
  .description('Measures each case beside its peers and its limit, in the same run.')
  .argument('[names...]', 'which cases; all but adaptive-concurrency if none is named', caseName, [])
  .option('--quick', 'only see that it works: little work, figures that say nothing', false)
  .option('--json', 'print one JSON object at the end', false)
  .addOption(
    new Option(
      '--save',
      'write bench/results.json, and what is made of it: bench/README.md, the README, its plot',
    )
      .default(false)
      .conflicts('quick'),
  )
  .addOption(
    new Option('--rounds <n>', 'how often each contestant runs')
      .default(ROUNDS)
      .argParser(positiveInteger)
      .conflicts('quick'),
  )
  .addHelpText(
    'after',
    `\nCases:\n${CASES.map(({ name, description }) => `  ${name.padEnd(22)}${description}`).join('\n')}`,
  )
  .action(bench);

await program.parseAsync();

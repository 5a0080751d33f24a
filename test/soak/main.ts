import { setMaxListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import picocolors from 'picocolors';
import { silenceSdkVersionNote } from '../../src/core/environment.ts';
import { errorMessage } from '../../src/core/errors.ts';
import { reportLines } from './report.ts';
import { soak } from './soak.ts';

interface Options {
  minutes: number;
  streams: number;
  json: boolean;
  keepLogs: boolean;
  dist: string;
  diagnostics: string;
}

/** Eight rounds of half a minute: shorter ones do not outlast what they do. */
const MIN_MINUTES = 4;

/** @returns whether all that must be flat is, and nothing else went wrong */
async function main({ json, keepLogs, ...options }: Options, signal: AbortSignal): Promise<boolean> {
  const logFolder = await mkdtemp(join(tmpdir(), 'kvs-inference-soak-logs-'));
  let isGood = false;
  try {
    const progress = (text: string) => tell(`${elapsed()}  ${text}`);
    const note = (text: string) => tell(picocolors.dim(`${elapsed()}    ${text}`));
    const reports = await soak({ ...options, logFolder, note, progress, signal });
    isGood = reports.every((report) => report.isGood);
    if (json) print(JSON.stringify({ isGood, minutes: options.minutes, applications: reports }));
    else {
      for (const report of reports) {
        const color = report.isGood ? picocolors.green : picocolors.red;
        for (const line of reportLines(report)) print(color(line));
      }
    }
    return isGood;
  } finally {
    if (!keepLogs && (isGood || signal.aborted)) await rm(logFolder, { recursive: true });
    else tell(`logs of the workers: ${logFolder}`);
  }
}

function elapsed(): string {
  return `${(performance.now() / 60_000).toFixed(1).padStart(5)} min`;
}

/** Standard output is for the verdict. */
function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function numberFrom(least: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!Number.isSafeInteger(number) || number < least) {
      throw new InvalidArgumentError(`It must be a whole number from ${least}.`);
    }
    return number;
  };
}

const options = new Command('soak')
  .description('Runs workers through rounds of trouble, and checks that what they hold does not grow.')
  .option('--minutes <n>', 'how long', numberFrom(MIN_MINUTES), 30)
  .option('--streams <n>', 'cameras', numberFrom(2), 6)
  .option('--json', 'the verdict as JSON', false)
  .option('--keep-logs', "keep the workers' logs also if all is well", false)
  .addOption(new Option('--dist <folder>', 'of the bundled program').makeOptionMandatory().hideHelp())
  .addOption(new Option('--diagnostics <file>', 'for each worker').makeOptionMandatory().hideHelp())
  .addHelpText('after', '\nExit codes: 0 all flat, 1 something grows or goes wrong.')
  .parse()
  .opts<Options>();

silenceSdkVersionNote();
const stop = new AbortController();
// One signal stops every camera, another one whatever waits.
setMaxListeners(0, stop.signal);
// Not once: a second Ctrl-C must not end us before every process is.
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.on(name, () => stop.abort(new Error('interrupted')));

try {
  process.exitCode = (await main(options, stop.signal)) ? 0 : 1;
} catch (error) {
  tell(stop.signal.aborted ? errorMessage(stop.signal.reason) : String((error as Error).stack));
  process.exitCode = 1;
}

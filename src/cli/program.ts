import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { silenceSdkVersionNote, VERSION } from '../core/environment.ts';
import { errorMessage, errorName, KvsInferenceError } from '../core/errors.ts';
import { EXIT_OK, EXIT_USAGE, type ExitCode, exitCodeOf } from './exit-code.ts';

/** Runs the command that the arguments name. Each command's code is loaded when it is called. */
export async function run(args: readonly string[]): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT_OK;
  if (args[0] !== 'worker') silenceSdkVersionNote();
  const program = new Command('kvs-inference')
    .description('Live Kinesis video streams in, SageMaker model results out.')
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError('(run with --help for the options)');
  const command = (name: string, description: string) =>
    program.command(name).description(description).exitOverride().showHelpAfterError(false);

  command('worker', 'Run the service: configured by the SSM parameter that CONFIG_PARAMETER names.').action(
    async () => {
      exitCode = await (await import('./worker.ts')).worker();
    },
  );

  command('health', 'Ask the worker on this machine, at HEALTH_PORT, whether its loops go round.').action(
    async () => {
      exitCode = await (await import('./health.ts')).health();
    },
  );

  command(
    'demo',
    'Run everything on this machine: cameras, services, worker, a real model, a page to look at.',
  )
    .option('--source <file>', 'stream this video instead; any file FFmpeg can open, repeatable', collect, [])
    .option('--seconds <n>', 'end after this many seconds', positiveNumber)
    .option('--headless', 'serve no page', false)
    .option('--port <n>', 'port of the page; another one if it is in use', port, 8080)
    .option('--json', 'print one JSON object at the end', false)
    .action(async (options) => {
      exitCode = await (await import('./demo.ts')).demo(options);
    });

  command('inspect', 'Show what Matroska files hold: tracks, fragments, frames, gaps, errors.')
    .argument('<files...>', 'files, such as recorded GetMedia bodies; - is standard input')
    .option('--json', 'print one JSON object per file', false)
    .action(async (files: string[], options) => {
      exitCode = await (await import('./inspect.ts')).inspect(files, options);
    });

  command('frames', 'Write the sampled pictures of a file.')
    .argument(
      '<input>',
      'a video file; Matroska goes through the same parts as a live stream; - is standard input',
    )
    .option('--every <n>', 'sample every Nth I-frame', positiveInteger, 1)
    .addOption(
      new Option('--format <format>', 'picture format')
        .choices(['jpeg', 'png', 'bmp', 'gif'])
        .default('jpeg'),
    )
    .requiredOption('--out <dir>', 'folder for the pictures and frames.json')
    .option('--json', 'print the counts as one JSON object', false)
    .action(async (input: string, options) => {
      exitCode = await (await import('./frames.ts')).frames(input, options);
    });

  command(
    'leases',
    'Show who reads which stream, and how far; release a lease, or reset where it is read from.',
  )
    .addOption(
      new Option(
        '--parameter <name>',
        'SSM parameter of the application; default: CONFIG_PARAMETER',
      ).conflicts('table'),
    )
    .option('--table <name>', 'the lease table itself, without SSM')
    .option('--json', 'print one JSON object; with --watch one on each line', false)
    .option('--watch', 'show it again and again, until Ctrl-C', false)
    .option('--interval <seconds>', 'how often --watch reads the table', intervalSeconds, 2)
    .addOption(
      new Option('--release <stream>', 'take the lease of this stream from its owner').conflicts(
        CHANGE_ALONE,
      ),
    )
    .addOption(
      new Option('--reset <stream>', 'read this stream from another position on').conflicts([
        'release',
        ...CHANGE_ALONE,
      ]),
    )
    .option('--to <position>', 'for --reset: NOW, EARLIEST, or a time as 2026-10-05T10:00:00Z')
    .option('--yes', 'release or reset without a question', false)
    .action(async (options) => {
      exitCode = await (await import('./leases/leases.ts')).leases(options);
    });

  command(
    'doctor',
    'Check every permission and dependency that the configuration needs; say what is to be mended.',
  )
    .option('--parameter <name>', 'SSM parameter of the application; default: CONFIG_PARAMETER')
    .option('--config <file>', 'a configuration that is not in the parameter yet')
    .option('--json', 'print one JSON object', false)
    .action(async (options) => {
      exitCode = await (await import('./doctor.ts')).doctor(options);
    });

  const config = command('config', 'Check configurations, print their JSON Schema.');
  config
    .command('check')
    .description('Print everything that is wrong with a configuration: key, value, what is expected.')
    .argument('<source>', 'a file, or ssm:NAME')
    .exitOverride()
    .action(async (source: string) => {
      exitCode = await (await import('./config.ts')).checkConfig(source);
    });
  config
    .command('schema')
    .description('Print the JSON Schema that an editor can check a configuration with.')
    .option('--record', 'that of the published records instead', false)
    .exitOverride()
    .action(async (options) => {
      exitCode = (await import('./config.ts')).printSchema(options);
    });

  command(
    'emulator',
    'Run the services that a worker needs on this machine; the first line tells how to reach them.',
  )
    .option('--stream <name=file>', 'loop a file into a stream as a live camera, repeatable', collect, [])
    .option('--cameras', "stream the demo's cameras, too", false)
    .option('--no-model', 'leave the SageMaker endpoint to you')
    .option('--config <file>', 'configuration to put into the SSM parameter')
    .option('--host <name>', 'how other machines or containers call this one: lets them in', '127.0.0.1')
    .option('--port <n>', 'the first of five ports in a row; 0: any that are free', port, 0)
    .option('--page <port>', "serve the demo's page, without the worker's own counts", port)
    .action(async (options) => {
      exitCode = await (await import('./emulator.ts')).emulator(options);
    });

  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return report(error);
  }
}

/** What goes with no change of a lease. */
const CHANGE_ALONE = ['json', 'watch'];

/** The package and the image of the worker come without what only the emulator needs. */
const NOT_INSTALLED =
  'the installation is incomplete; for demo and emulator take a clone of the repository, or the image "local"';

/** One line for what a user can mend; a stack only for what we have to. */
function report(error: unknown): ExitCode {
  // Commander has said it already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  if (error instanceof KvsInferenceError) process.stderr.write(`kvs-inference: ${error.message}\n`);
  else if (errorName(error) === 'ERR_MODULE_NOT_FOUND')
    process.stderr.write(`kvs-inference: ${errorMessage(error)}: ${NOT_INSTALLED}\n`);
  else process.stderr.write(`kvs-inference: ${error instanceof Error ? error.stack : errorMessage(error)}\n`);
  return exitCodeOf(error);
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}

function positiveNumber(value: string): number {
  const number = Number(value);
  if (!(number > 0) || !Number.isFinite(number))
    throw new InvalidArgumentError('It must be a number above 0.');
  return number;
}

function intervalSeconds(value: string): number {
  const number = Number(value);
  if (!(number >= 0.1 && number <= 3600)) {
    throw new InvalidArgumentError('It must be a number of seconds from 0.1 to 3600.');
  }
  return number;
}

function positiveInteger(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new InvalidArgumentError('It must be a whole number from 1.');
  }
  return number;
}

function port(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 0 || number > 65_535) {
    throw new InvalidArgumentError('It must be a port from 0 to 65535.');
  }
  return number;
}

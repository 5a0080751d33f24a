import { readFile } from 'node:fs/promises';
import { createLogUpdate } from 'log-update';
import picocolors from 'picocolors';
import { systemClock as clock } from '../core/clock.ts';
import { readEnvironment } from '../core/environment.ts';
import { errorMessage, UsageError } from '../core/errors.ts';
import type { ConfigSource } from '../doctor/configuration.ts';
import { Denials } from '../doctor/denials.ts';
import { examine } from '../doctor/doctor.ts';
import type { Progress } from '../doctor/run.ts';
import { createClients } from '../worker/clients.ts';
import { countsOf, reportJson, reportLines, reportText } from './doctor-report.ts';
import { EXIT_FAILED, EXIT_OK, type ExitCode } from './exit-code.ts';
import { untilSignal } from './signals.ts';

export interface DoctorOptions {
  /** Name of the SSM parameter. */
  parameter?: string;
  /** File with the configuration, in place of the parameter. */
  config?: string;
  json: boolean;
}

/** Tries everything that the configuration needs, and prints what is wrong; exit code 1 if anything does not work. */
export async function doctor(options: DoctorOptions): Promise<ExitCode> {
  const parameterName = options.parameter ?? readEnvironment().configParameter;
  const source = await sourceOf(options, parameterName);
  const signal = untilSignal();
  const denials = new Denials();
  const clients = createClients(denials.note);
  const progress = showProgress();
  try {
    const { onProgress } = progress;
    const findings = await examine({ source, parameterName, clients, denials, clock, onProgress }, signal);
    progress.end();
    const { stdout } = process;
    if (options.json) stdout.write(`${reportJson(findings)}\n`);
    else if (stdout.isTTY) stdout.write(`${reportText(findings, colors(), stdout.columns)}\n`);
    else stdout.write(`${reportLines(findings).join('\n')}\n`);
    return countsOf(findings).error === 0 ? EXIT_OK : EXIT_FAILED;
  } catch (error) {
    progress.end();
    if (!signal.aborted) throw error;
    process.stderr.write('kvs-inference: stopped before everything was checked\n');
    return EXIT_FAILED;
  } finally {
    clients.destroy();
  }
}

async function sourceOf({ config }: DoctorOptions, parameterName: string | null): Promise<ConfigSource> {
  if (config !== undefined) {
    try {
      return { type: 'FILE', path: config, text: await readFile(config, 'utf8') };
    } catch (error) {
      throw new UsageError(`${config} cannot be read: ${errorMessage(error)}`, { cause: error });
    }
  }
  if (parameterName !== null) return { type: 'PARAMETER', name: parameterName };
  throw new UsageError(
    'CONFIG_PARAMETER is not set: name the SSM parameter with --parameter, or a file with --config',
  );
}

/** One line on standard error, on a terminal only. */
function showProgress(): { onProgress: (progress: Progress) => void; end: () => void } {
  const { stderr } = process;
  if (!stderr.isTTY) return { onProgress: () => undefined, end: () => undefined };
  const line = createLogUpdate(stderr);
  return {
    onProgress: ({ running: [first], done, known }) =>
      line(`${done} of ${known} ${first === undefined ? '' : `${first.name} ${first.target}`}`),
    end: () => {
      line.clear();
      line.done();
    },
  };
}

/** On a terminal only: the package also colours what a CI run writes into a file. */
function colors() {
  return picocolors.createColors(process.stdout.isTTY === true && picocolors.isColorSupported);
}

import { readFile } from 'node:fs/promises';
import { configError, parseConfig } from '../config/parse.ts';
import { systemClock, untilAborted } from '../core/clock.ts';
import { readEnvironment } from '../core/environment.ts';
import { errorMessage, UsageError } from '../core/errors.ts';
import { createLogger } from '../core/log.ts';
import type { NamedSource } from '../emulator/camera/default-sources.ts';
import { openVideoSource } from '../emulator/camera/open-video-source.ts';
import { startCluster } from '../emulator/cluster.ts';
import { EXIT_OK, type ExitCode } from './exit-code.ts';
import { scriptPath } from './scripts.ts';
import { untilSignal } from './signals.ts';

export interface EmulatorOptions {
  stream: string[];
  model: boolean;
  config?: string;
}

/**
 * Runs the embedded services until a signal comes. The first line of standard output tells how to reach them; the
 * parser Lambda's lines follow. Everything else goes to standard error.
 */
export async function emulator(options: EmulatorOptions): Promise<ExitCode> {
  const signal = untilSignal();
  const log = createLogger(readEnvironment().logLevel, process.stderr);
  const named = options.stream.map(parseStream);
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const cluster = await startCluster({
    scripts: { kinesis: scriptPath('kinesis'), model: scriptPath('model-server') },
    sources: openSources(named),
    model: options.model,
    config: options.config === undefined ? {} : await readConfig(options.config),
    parserLog: {
      record: (entry) => print(JSON.stringify({ level: 'info', ...entry })),
      text: print,
      error: (error) => print(JSON.stringify({ level: 'error', ...error })),
    },
    clock: systemClock,
    log,
    signal,
  });
  const { env, parameter, streams } = cluster;
  print(JSON.stringify({ ready: true, env, parameter, streams }));
  await untilAborted(signal);
  await cluster.close();
  return EXIT_OK;
}

function parseStream(text: string): { streamName: string; path: string } {
  const separator = text.indexOf('=');
  if (separator < 1 || separator === text.length - 1) {
    throw new UsageError(`--stream ${text}: expected NAME=FILE, such as front-door=video.mp4`);
  }
  return { streamName: text.slice(0, separator), path: text.slice(separator + 1) };
}

async function openSources(named: Array<{ streamName: string; path: string }>): Promise<NamedSource[]> {
  const sources: NamedSource[] = [];
  for (const { streamName, path } of named) sources.push({ streamName, source: await openVideoSource(path) });
  return sources;
}

async function readConfig(path: string): Promise<Record<string, unknown>> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new UsageError(`--config ${path} cannot be read: ${errorMessage(error)}`, { cause: error });
  });
  const { config, problems } = parseConfig(text);
  if (config === null) throw configError(path, problems);
  return JSON.parse(text) as Record<string, unknown>;
}

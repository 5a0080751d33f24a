import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { configError, parseConfig } from '../config/parse.ts';
import { systemClock as clock, untilAborted } from '../core/clock.ts';
import { Closers } from '../core/closers.ts';
import { readEnvironment } from '../core/environment.ts';
import { errorMessage, UsageError } from '../core/errors.ts';
import { createLogger } from '../core/log.ts';
import { DemoObserver } from '../demo/observer.ts';
import { type PageServer, startPageServer } from '../demo/page-server.ts';
import { interfaceOf, MAX_FIRST_PORT } from '../emulator/address.ts';
import { type NamedSource, openDefaultSources } from '../emulator/camera/default-sources.ts';
import { openVideoSource } from '../emulator/camera/open-video-source.ts';
import { startCluster } from '../emulator/cluster.ts';
import { EXIT_OK, type ExitCode } from './exit-code.ts';
import { scriptPath } from './scripts.ts';
import { untilSignal } from './signals.ts';

export interface EmulatorOptions {
  stream: string[];
  cameras: boolean;
  model: boolean;
  config?: string;
  host: string;
  port: number;
  page?: number;
}

/**
 * Runs the embedded services until a signal comes. The first line of standard output tells how to reach them; the
 * parser Lambda's lines follow. Everything else goes to standard error.
 */
export async function emulator(options: EmulatorOptions): Promise<ExitCode> {
  if (options.port > MAX_FIRST_PORT) {
    throw new UsageError(
      `--port ${options.port}: expected at most ${MAX_FIRST_PORT}, as it is the first of five in a row`,
    );
  }
  const signal = untilSignal();
  const observer = new DemoObserver();
  const closers = new Closers();
  const log = createLogger(readEnvironment().logLevel, process.stderr);
  const named = options.stream.map(parseStream);
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const cluster = await startCluster({
    scripts: { kinesis: scriptPath('kinesis'), model: scriptPath('model-server') },
    sources: openSources(named, options.cameras),
    model: options.model,
    config: options.config === undefined ? {} : await readConfig(options.config),
    parserLog: {
      record: (entry) => {
        observer.parsed(entry);
        print(JSON.stringify({ level: 'info', ...entry }));
      },
      text: print,
      error: (error) => print(JSON.stringify({ level: 'error', ...error })),
    },
    onInvocation: (invocation) => observer.invocation(invocation),
    address: { host: options.host, port: options.port },
    clock,
    log,
    signal,
  });
  closers.add(cluster);
  const { env, parameter, streams } = cluster;
  observer.watch(streams);
  try {
    let page = {};
    if (options.page !== undefined) {
      const { url } = closers.add(await startPage(options.page, options.host, observer));
      page = { page: url };
    }
    print(JSON.stringify({ ready: true, env, parameter, streams, ...page }));
    await untilAborted(signal);
  } finally {
    await closers.close();
  }
  return EXIT_OK;
}

function startPage(port: number, host: string, observer: DemoObserver): Promise<PageServer> {
  const startedAt = clock.monotonic();
  return startPageServer({
    host: interfaceOf(host),
    port,
    pageDirectory: fileURLToPath(new URL('./page', import.meta.url)),
    state: () => observer.stateWithoutWorker(clock.monotonic() - startedAt),
    picture: (id) => observer.picture(id),
    clock,
  });
}

function parseStream(text: string): { streamName: string; path: string } {
  const separator = text.indexOf('=');
  if (separator < 1 || separator === text.length - 1) {
    throw new UsageError(`--stream ${text}: expected NAME=FILE, such as front-door=video.mp4`);
  }
  return { streamName: text.slice(0, separator), path: text.slice(separator + 1) };
}

async function openSources(
  named: Array<{ streamName: string; path: string }>,
  cameras: boolean,
): Promise<NamedSource[]> {
  const sources = cameras ? await openDefaultSources() : [];
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

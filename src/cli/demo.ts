import { basename, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../core/clock.ts';
import { errorMessage, KvsInferenceError } from '../core/errors.ts';
import { createLogger, type Logger } from '../core/log.ts';
import { LiveLines } from '../demo/live-lines.ts';
import { DemoObserver } from '../demo/observer.ts';
import { startPageServer } from '../demo/page-server.ts';
import { WorkerProcess } from '../demo/worker-process.ts';
import { type NamedSource, openDefaultSources } from '../emulator/camera/default-sources.ts';
import { openVideoSource } from '../emulator/camera/open-video-source.ts';
import { type Cluster, startCluster } from '../emulator/cluster.ts';
import { EXIT_FAILED, EXIT_OK, type ExitCode } from './program.ts';
import { scriptPath } from './scripts.ts';
import { untilSignal } from './signals.ts';

export interface DemoOptions {
  source: string[];
  seconds?: number;
  headless: boolean;
  port: number;
  json: boolean;
}

/** Short enough to watch, and small enough that memory stays flat. */
const RETENTION = { millis: 60_000, bytes: 64 * 1024 * 1024 };
const CONFIG = {
  startPosition: 'EARLIEST',
  inferenceInterval: 1,
  sageMakerTaskThreadPoolSize: 2,
  sageMakerTaskQueueSize: 20,
  metricsIntervalInMilli: 1000,
  metricsPerStream: true,
};
const REFRESH_MILLIS = 1000;
/** After the cameras have ended: how long to wait for the results of what they sent. */
const SETTLE_MILLIS = 4000;
const WORKER_STOP_MILLIS = 2500;

/** Everything on this machine: cameras, services, worker, model, parser, and where to look at it. */
export async function demo(options: DemoOptions): Promise<ExitCode> {
  const interrupted = untilSignal();
  const clock = systemClock;
  const startedAt = clock.monotonic();
  // Standard output is for the JSON object, where that is asked for.
  const lines = new LiveLines(options.json ? process.stderr : process.stdout);
  const log = createLogger('warn', { write: (line) => lines.note(notice(line)) });
  const sources = openSources(options.source);
  // Whoever awaits it first finds the error; until then it is not unhandled.
  sources.catch(() => undefined);
  let observer = new DemoObserver([]);

  lines.note('starting the services, the model and the cameras…');
  const cluster = await start(sources, () => observer, log, interrupted);
  if (cluster === null) return EXIT_OK;
  observer = new DemoObserver(cluster.streams);
  const worker = new WorkerProcess({
    script: scriptPath('main'),
    env: cluster.env,
    onLine: (line) => observer.workerLine(line) || noteTrouble(line, lines),
    clock,
  });
  const page = options.headless
    ? null
    : await startPageServer({
        port: options.port,
        pageDirectory: fileURLToPath(new URL('./page', import.meta.url)),
        state: () => observer.state(clock.monotonic() - startedAt),
        picture: (id) => observer.picture(id),
        clock,
      });
  if (page !== null) lines.note(`look at ${page.url}`);
  lines.note(options.seconds === undefined ? 'Ctrl-C ends it' : `ends after ${options.seconds} s`);

  const done = new AbortController();
  const failure = worker.ended.then((end) => {
    if (done.signal.aborted) return null;
    done.abort();
    return new KvsInferenceError(
      'WORKER_ENDED',
      `the worker ended: ${end.stderr || (end.signal ?? end.code)}`,
    );
  });
  interrupted.addEventListener('abort', () => done.abort(), { once: true });
  if (interrupted.aborted) done.abort();
  const drawing = redraw(lines, () => observer, done.signal);
  if (options.seconds !== undefined) {
    await clock.sleep(options.seconds * 1000, done.signal).catch(() => undefined);
    await cluster.stopCameras();
    await settle(() => observer, done.signal);
  } else if (!done.signal.aborted) {
    await new Promise((resolve) => done.signal.addEventListener('abort', resolve, { once: true }));
  }
  done.abort();
  await drawing;
  await cluster.stopCameras();
  await worker.stop(WORKER_STOP_MILLIS);
  await cluster.close();
  await page?.close();
  lines.draw(observer.streams);
  lines.end();
  const error = await failure;
  const exit = error === null ? 'ok' : errorMessage(error);
  if (options.json) process.stdout.write(`${JSON.stringify({ ...observer.summary(), exit })}\n`);
  if (error !== null) process.stderr.write(`kvs-inference: ${error.message}\n`);
  return error === null ? EXIT_OK : EXIT_FAILED;
}

/** null if the user has interrupted the start. */
async function start(
  sources: Promise<NamedSource[]>,
  observer: () => DemoObserver,
  log: Logger,
  signal: AbortSignal,
): Promise<Cluster | null> {
  try {
    return await startCluster({
      scripts: { kinesis: scriptPath('kinesis'), model: scriptPath('model-server') },
      sources,
      model: true,
      config: CONFIG,
      retention: RETENTION,
      parserLog: {
        record: (entry) => observer().parsed(entry),
        text: () => undefined,
        error: (error) => log.error(error, 'the parser cannot read a record'),
      },
      onInvocation: (invocation) => observer().invocation(invocation),
      clock: systemClock,
      log,
      signal,
    });
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
}

async function openSources(paths: readonly string[]): Promise<NamedSource[]> {
  if (paths.length === 0) return await openDefaultSources();
  const sources: NamedSource[] = [];
  const names = new Set<string>();
  for (const path of paths) {
    const name = streamName(path, names);
    names.add(name);
    sources.push({ streamName: name, source: await openVideoSource(path) });
  }
  return sources;
}

/** The file's name in the characters that a stream's name may have; numbered where two are alike. */
function streamName(path: string, taken: ReadonlySet<string>): string {
  const name =
    basename(path, extname(path))
      .replace(/[^a-zA-Z0-9_.-]+/g, '-')
      .slice(0, 200) || 'camera';
  let unique = name;
  for (let count = 2; taken.has(unique); count += 1) unique = `${name}-${count}`;
  return unique;
}

async function redraw(lines: LiveLines, observer: () => DemoObserver, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    lines.draw(observer().streams);
    await systemClock.sleep(REFRESH_MILLIS, signal).catch(() => undefined);
  }
}

/** Until every sampled frame has its result, and no more come; or until the limit. */
async function settle(observer: () => DemoObserver, signal: AbortSignal): Promise<void> {
  const limit = systemClock.monotonic() + SETTLE_MILLIS;
  let before = -1;
  while (!signal.aborted && systemClock.monotonic() < limit) {
    await systemClock.sleep(REFRESH_MILLIS * 1.2, signal).catch(() => undefined);
    const { fragments, sampled, published, parsed, failed } = observer().summary();
    if (fragments === before && sampled === published + failed && parsed === published) return;
    before = fragments;
  }
}

/** Warnings and errors of the worker are for the user's eyes; the rest of its log is not. */
function noteTrouble(line: Record<string, unknown>, lines: LiveLines): void {
  if (line['level'] === 'warn' || line['level'] === 'error') lines.note(notice(JSON.stringify(line)));
}

function notice(json: string): string {
  const { level, msg, streamName: stream, error } = JSON.parse(json) as Record<string, unknown>;
  return [level, stream, error, msg].filter((part) => typeof part === 'string').join(': ');
}

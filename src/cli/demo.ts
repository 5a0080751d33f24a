import { basename, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock as clock } from '../core/clock.ts';
import { Closers } from '../core/closers.ts';
import { KvsInferenceError } from '../core/errors.ts';
import { createLogger } from '../core/log.ts';
import { LiveLines } from '../demo/live-lines.ts';
import { DemoObserver } from '../demo/observer.ts';
import { startPageServer } from '../demo/page-server.ts';
import { WorkerProcess } from '../demo/worker-process.ts';
import { type NamedSource, openDefaultSources } from '../emulator/camera/default-sources.ts';
import { openVideoSource } from '../emulator/camera/open-video-source.ts';
import { type Cluster, startCluster } from '../emulator/cluster.ts';
import { EXIT_FAILED, EXIT_OK, type ExitCode } from './exit-code.ts';
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
  // Standard output is for the JSON object, where that is asked for.
  const lines = new LiveLines(options.json ? process.stderr : process.stdout);
  const observer = new DemoObserver();
  const closers = new Closers();
  let failure: KvsInferenceError | null = null;
  try {
    lines.note('starting the services, the model and the cameras…');
    const { cluster, worker } = await start(options, { lines, observer, closers }, interrupted);
    lines.note(options.seconds === undefined ? 'Ctrl-C ends it' : `ends after ${options.seconds} s`);
    const done = new AbortController();
    const failed = worker.ended.then((end) => {
      if (done.signal.aborted) return null;
      done.abort();
      return new KvsInferenceError(
        'WORKER_ENDED',
        `the worker ended: ${end.stderr || (end.signal ?? end.code)}`,
      );
    });
    interrupted.addEventListener('abort', () => done.abort(), { once: true });
    if (interrupted.aborted) done.abort();
    const drawing = redraw(lines, observer, done.signal);
    await clock.sleep((options.seconds ?? FOREVER_SECONDS) * 1000, done.signal).catch(() => undefined);
    await cluster.stopCameras();
    await settle(observer, done.signal);
    done.abort();
    await drawing;
    await closers.close();
    failure = await failed;
    lines.draw(observer.streams);
  } catch (error) {
    // What the interruption has broken off is no failure.
    if (!interrupted.aborted) throw error;
  } finally {
    await closers.close();
    lines.end();
  }
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ ...observer.summary(), exit: failure?.message ?? 'ok' })}\n`);
  }
  if (failure !== null) process.stderr.write(`kvs-inference: ${failure.message}\n`);
  return failure === null ? EXIT_OK : EXIT_FAILED;
}

/** As long as a timer can be set for. */
const FOREVER_SECONDS = 2_147_483;

/** Starts everything, in the order of a frame's way; `closers` ends it. */
async function start(
  options: DemoOptions,
  { lines, observer, closers }: { lines: LiveLines; observer: DemoObserver; closers: Closers },
  signal: AbortSignal,
): Promise<{ cluster: Cluster; worker: WorkerProcess }> {
  const startedAt = clock.monotonic();
  const log = createLogger('warn', { write: (line) => lines.note(notice(JSON.parse(line))) });
  const cluster = await startCluster({
    scripts: { kinesis: scriptPath('kinesis'), model: scriptPath('model-server') },
    sources: openSources(options.source),
    model: true,
    config: CONFIG,
    retention: RETENTION,
    parserLog: {
      record: (entry) => observer.parsed(entry),
      text: () => undefined,
      error: (error) => log.error(error, 'the parser cannot read a record'),
    },
    onInvocation: (invocation) => observer.invocation(invocation),
    clock,
    log,
    signal,
  });
  closers.add(cluster);
  observer.watch(cluster.streams);
  const worker = new WorkerProcess({
    script: scriptPath('main'),
    env: cluster.env,
    // Warnings and errors are for the user's eyes; the rest of the worker's log is not.
    onLine: (line) => {
      const isTrouble = ['warn', 'error', 'fatal'].includes(String(line['level']));
      if (!observer.workerLine(line) && isTrouble) lines.note(notice(line));
    },
    clock,
  });
  closers.defer(() => worker.stop(WORKER_STOP_MILLIS));
  if (!options.headless) {
    const page = await startPageServer({
      port: options.port,
      pageDirectory: fileURLToPath(new URL('./page', import.meta.url)),
      state: () => observer.state(clock.monotonic() - startedAt),
      picture: (id) => observer.picture(id),
      clock,
    });
    closers.add(page);
    lines.note(`look at ${page.url}`);
  }
  return { cluster, worker };
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
  const words = basename(path, extname(path)).replace(/[^a-zA-Z0-9_.-]+/g, '-');
  const name = words.slice(0, 200) || 'camera';
  let unique = name;
  for (let count = 2; taken.has(unique); count += 1) unique = `${name}-${count}`;
  return unique;
}

async function redraw(lines: LiveLines, observer: DemoObserver, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    lines.draw(observer.streams);
    await clock.sleep(REFRESH_MILLIS, signal).catch(() => undefined);
  }
}

/** Until every sampled frame has its result, and no more come; or until the limit. */
async function settle(observer: DemoObserver, signal: AbortSignal): Promise<void> {
  const limit = clock.monotonic() + SETTLE_MILLIS;
  let before = -1;
  while (!signal.aborted && clock.monotonic() < limit) {
    await clock.sleep(REFRESH_MILLIS * 1.2, signal).catch(() => undefined);
    const { fragments, sampled, published, parsed, failed } = observer.summary();
    if (fragments === before && sampled === published + failed && parsed === published) return;
    before = fragments;
  }
}

function notice({ level, msg, streamName: stream, error }: Record<string, unknown>): string {
  return [level, stream, error, msg].filter((part) => typeof part === 'string').join(': ');
}

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type Clock, systemClock } from '../core/clock.ts';
import { KvsInferenceError } from '../core/errors.ts';
import type { Listening } from './dynamo-db.ts';

const START_LIMIT_MILLIS = 30_000;
const STOP_LIMIT_MILLIS = 2_000;
/** Of the child's standard error, for the message when it fails. */
const KEPT_STDERR_CHARACTERS = 4_000;

/** What the process tells its parent once it can be used. */
export interface ReadyMessage {
  ready: true;
  port: number;
}

export interface ServiceProcess {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Ends the process: SIGTERM, after two seconds SIGKILL. May be called again. */
  close(): Promise<void>;
}

export interface ServiceProcessOptions {
  /** Path of the bundled entry. */
  script: string;
  args?: readonly string[];
  /** Default: any free port of 127.0.0.1. */
  listening?: Listening;
  /** Gives up starting. */
  signal?: AbortSignal | undefined;
  clock?: Clock;
}

/**
 * Starts a local service in a process of its own and waits until it is ready. It gets `HOST` and `PORT` (0 = any) in
 * its environment, answers with a ReadyMessage, and ends when the channel to us does.
 *
 * @throws {KvsInferenceError} SERVICE_PROCESS_FAILED with the last lines the process wrote to standard error
 */
export async function startServiceProcess(options: ServiceProcessOptions): Promise<ServiceProcess> {
  const { script, args = [], signal, clock = systemClock } = options;
  const { host, port } = options.listening ?? { host: '127.0.0.1', port: 0 };
  signal?.throwIfAborted();
  const child = fork(script, [...args], {
    // Not the parent's options: a child that waits for a debugger would never be ready.
    execArgv: [],
    env: { ...process.env, HOST: host, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-KEPT_STDERR_CHARACTERS);
  });
  try {
    const readyPort = await untilReady(child, clock, signal);
    return { url: `http://127.0.0.1:${readyPort}`, close: () => end(child, clock) };
  } catch (error) {
    await end(child, clock);
    signal?.throwIfAborted();
    const lines = stderr.trim();
    throw new KvsInferenceError(
      'SERVICE_PROCESS_FAILED',
      `The process ${script} ${error instanceof Error ? error.message : error}${lines && `:\n${lines}`}`,
      { cause: error },
    );
  }
}

/** Resolves to the port the child listens on; rejects with what went wrong instead. */
async function untilReady(child: ChildProcess, clock: Clock, signal?: AbortSignal): Promise<number> {
  const waiting = new AbortController();
  const stopWaiting = () => waiting.abort();
  signal?.addEventListener('abort', stopWaiting);
  const ready = once(child, 'message', { signal: waiting.signal }).then(
    ([message]) => (message as ReadyMessage).port,
  );
  const ended = once(child, 'close', { signal: waiting.signal }).then(([code, signalName]) => {
    throw new Error(`ended with ${code === null ? signalName : `exit code ${code}`} before it was ready`);
  });
  const late = clock.sleep(START_LIMIT_MILLIS, waiting.signal).then(() => {
    throw new Error(`was not ready within ${START_LIMIT_MILLIS} ms`);
  });
  try {
    return await Promise.race([ready, ended, late]);
  } finally {
    signal?.removeEventListener('abort', stopWaiting);
    waiting.abort();
  }
}

async function end(child: ChildProcess, clock: Clock): Promise<void> {
  const isRunning = child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  if (!isRunning) return;
  const waiting = new AbortController();
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  clock.sleep(STOP_LIMIT_MILLIS, waiting.signal).then(
    () => child.kill('SIGKILL'),
    () => undefined,
  );
  await closed;
  waiting.abort();
}

import { readFile } from 'node:fs/promises';
import { readParameter } from '../config/load.ts';
import { configError, type GoodConfig, parseConfig } from '../config/parse.ts';
import { systemClock as clock } from '../core/clock.ts';
import { Closers } from '../core/closers.ts';
import { readEnvironment } from '../core/environment.ts';
import { errorMessage, errorName, KvsInferenceError, UsageError } from '../core/errors.ts';
import { createLogger, type Logger } from '../core/log.ts';
import { memoryLimitBytes } from '../core/memory-limit.ts';
import { retry } from '../core/retry.ts';
import { type Clients, createClients } from '../worker/clients.ts';
import { DenialLog } from '../worker/denial-log.ts';
import { Health } from '../worker/health.ts';
import { serveHealth } from '../worker/health-server.ts';
import { EXIT_OK, type ExitCode, exitCodeOf } from './exit-code.ts';
import { untilSignal } from './signals.ts';
import { logFatal } from './worker-failure.ts';

/** A quarter of a minute in the mean: a parameter that cannot be had by then is for who deploys to look at. */
const READ_RETRIES = { attempts: 7, baseDelayMillis: 500, maxDelayMillis: 10_000 };

const END_MILLIS = 5000;

/** The service itself. Ends with 0 after SIGTERM or SIGINT, drained; else its last line says why it cannot go on. */
export async function worker(): Promise<ExitCode> {
  const signal = untilSignal();
  const closers = new Closers();
  try {
    await serve(signal, closers);
  } catch (error) {
    if (signal.aborted && isAbort(error)) return EXIT_OK;
    logFatal(error);
    const exitCode = exitCodeOf(error);
    // What has not ended by then must not keep the process.
    setTimeout(() => process.exit(exitCode), END_MILLIS).unref();
    return exitCode;
  } finally {
    await closers.close();
  }
  return EXIT_OK;
}

/** Whether an operation was given up because its signal has aborted: itself, or what it was a part of. Pure. */
export function isAbort(error: unknown): boolean {
  if (errorName(error) === 'AbortError') return true;
  // A time-out gives up by itself.
  if (!(error instanceof Error) || errorName(error) === 'TIMEOUT') return false;
  return isAbort(error.cause);
}

async function serve(signal: AbortSignal, closers: Closers): Promise<void> {
  const { configParameter, healthPort, logLevel, taskMetadataUri } = readEnvironment();
  if (configParameter === null) {
    throw new UsageError('CONFIG_PARAMETER is not set; it names the SSM parameter with the configuration');
  }
  const log = createLogger(logLevel);
  const health = new Health(clock);
  if (healthPort !== null) closers.add(await serveHealth(health, healthPort, log));
  const denials = new DenialLog({ clock, log });
  let isStarted = false;
  const clients = createClients((denial) => {
    // What is refused before ends the start, with a line that says so.
    if (isStarted) denials.report(denial);
  });
  closers.defer(async () => clients.destroy());
  // Most of the code is loaded while the answers are on their way.
  const [initial, memory, { Worker }] = await Promise.all([
    readConfig(clients, configParameter, log, signal),
    memoryLimitBytes({ readFile, fetch, metadataUri: taskMetadataUri }),
    import('../worker/worker.ts'),
  ]);
  const service = new Worker({
    initial,
    parameterName: configParameter,
    memoryLimit: memory.bytes,
    clients,
    health,
    onStarted: () => {
      isStarted = true;
      log.info({ memoryLimit: memory.bytes, source: memory.source }, 'memory limit');
    },
    clock,
    log,
  });
  await service.run(signal);
}

/** @throws {UsageError} if there is no such parameter, or it is wrong; PARAMETER_UNREADABLE after the last attempt */
async function readConfig(
  { ssm }: Clients,
  parameterName: string,
  log: Logger,
  signal: AbortSignal,
): Promise<GoodConfig> {
  await ssm.config.region().catch((cause: unknown) => {
    throw new UsageError('no AWS region: AWS_REGION is not set', { cause });
  });
  const text = await retry(() => readParameter(ssm, parameterName, { clock, signal }), {
    clock,
    signal,
    ...READ_RETRIES,
    isRetryable: (error) => error instanceof KvsInferenceError && error.retryable,
    onRetry: (error, attempt, delayMillis) =>
      log.warn({ attempt, delayMillis }, `${errorMessage(error)}, trying again`),
  });
  const parsed = parseConfig(text);
  if (parsed.config === null) throw configError(`ssm:${parameterName}`, parsed.problems);
  return parsed;
}

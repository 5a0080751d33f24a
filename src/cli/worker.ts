import { readFile } from 'node:fs/promises';
import { readParameter } from '../config/load.ts';
import { configError, type GoodConfig, parseConfig } from '../config/parse.ts';
import { systemClock } from '../core/clock.ts';
import { readEnvironment } from '../core/environment.ts';
import { errorMessage, KvsInferenceError, UsageError } from '../core/errors.ts';
import { createLogger, type Logger } from '../core/log.ts';
import { memoryLimitBytes } from '../core/memory-limit.ts';
import { retry } from '../core/retry.ts';
import { type Clients, createClients } from '../worker/clients.ts';
import { Worker } from '../worker/worker.ts';
import { EXIT_OK, type ExitCode } from './exit-code.ts';
import { untilSignal } from './signals.ts';

/** A quarter of a minute in the mean: a parameter that cannot be had by then is for who deploys to look at. */
const READ_RETRIES = { attempts: 7, baseDelayMillis: 500, maxDelayMillis: 10_000 };

/** The service itself. Ends with 0 after SIGTERM or SIGINT, drained. */
export async function worker(): Promise<ExitCode> {
  const { configParameter, logLevel, taskMetadataUri } = readEnvironment();
  if (configParameter === null) {
    throw new UsageError('CONFIG_PARAMETER is not set; it names the SSM parameter with the configuration');
  }
  const log = createLogger(logLevel);
  const signal = untilSignal();
  const clients = createClients();
  try {
    const initial = await readConfig(clients, configParameter, log, signal);
    const memory = await memoryLimitBytes({ readFile, fetch, metadataUri: taskMetadataUri });
    log.info({ memoryLimit: memory.bytes, source: memory.source }, 'memory limit');
    const service = new Worker({
      initial,
      parameterName: configParameter,
      memoryLimit: memory.bytes,
      clients,
      clock: systemClock,
      log,
    });
    await service.run(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clients.destroy();
  }
  return EXIT_OK;
}

/** @throws {UsageError} if there is no such parameter, or it is wrong; PARAMETER_UNREADABLE after the last attempt */
async function readConfig(
  { ssm }: Clients,
  parameterName: string,
  log: Logger,
  signal: AbortSignal,
): Promise<GoodConfig> {
  const text = await retry(() => readParameter(ssm, parameterName, { clock: systemClock, signal }), {
    clock: systemClock,
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

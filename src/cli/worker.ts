import { readParameter } from '../config/load.ts';
import { configError, parseConfig } from '../config/parse.ts';
import { systemClock } from '../core/clock.ts';
import { readEnvironment } from '../core/environment.ts';
import { UsageError } from '../core/errors.ts';
import { createLogger } from '../core/log.ts';
import { createClients } from '../worker/clients.ts';
import { Worker } from '../worker/worker.ts';
import { EXIT_OK, type ExitCode } from './exit-code.ts';
import { untilSignal } from './signals.ts';

/** The service itself. Ends with 0 after SIGTERM or SIGINT, drained. */
export async function worker(): Promise<ExitCode> {
  const { configParameter, logLevel } = readEnvironment();
  if (configParameter === null) {
    throw new UsageError('CONFIG_PARAMETER is not set; it names the SSM parameter with the configuration');
  }
  const log = createLogger(logLevel);
  const signal = untilSignal();
  const ssm = createClients({ invocations: 1 });
  const text = await readParameter(ssm.ssm, configParameter, signal).finally(ssm.destroy);
  const { config, problems } = parseConfig(text);
  if (config === null) throw configError(`ssm:${configParameter}`, problems);
  const clients = createClients({ invocations: config.sageMakerTaskThreadPoolSize });
  try {
    const service = new Worker({ config, parameterName: configParameter, clients, clock: systemClock, log });
    await service.run(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clients.destroy();
  }
  return EXIT_OK;
}

import { availableParallelism } from 'node:os';
import { UsageError } from './errors.ts';

/** What the program takes from its environment; the AWS SDK reads its own variables itself. */
export interface Environment {
  /** Name of the SSM parameter that holds the configuration. */
  readonly configParameter: string | null;
  readonly logLevel: string;
  /** Port at which the worker tells its health; null where nobody asks. */
  readonly healthPort: number | null;
  /** Where a task on ECS can ask what it is; null elsewhere. */
  readonly taskMetadataUri: string | null;
}

/** The version that the bundler puts in; a run from sources has none. */
export const VERSION: string = process.env.KVS_INFERENCE_VERSION ?? 'development';

/** The only reader of `process.env` (the child processes of the emulator and the Lambda have their own). */
export function readEnvironment(environment: NodeJS.ProcessEnv = process.env): Environment {
  return {
    configParameter: environment['CONFIG_PARAMETER'] || null,
    logLevel: logLevel(environment['LOG_LEVEL'] || 'info'),
    healthPort: healthPort(environment['HEALTH_PORT'] || null),
    taskMetadataUri: environment['ECS_CONTAINER_METADATA_URI_V4'] || null,
  };
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

function logLevel(value: string): string {
  if (LOG_LEVELS.includes(value)) return value;
  throw new UsageError(`LOG_LEVEL is "${value}", expected one of ${LOG_LEVELS.join(', ')}`);
}

function healthPort(value: string | null): number | null {
  if (value === null) return null;
  const port = Number(value);
  if (/^\d+$/.test(value) && port >= 1 && port <= 65_535) return port;
  throw new UsageError(`HEALTH_PORT is "${value}", expected a port from 1 to 65535`);
}

/** The AWS SDK's note on coming Node.js versions is for who runs the service, not for who tries a command. */
export function silenceSdkVersionNote(): void {
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';
}

/**
 * FFmpeg's work runs in libuv's thread pool: room for a decoder per core, and for file and name look-ups beside them.
 * Node.js 20 has started its pool before any of our code runs: there the variable must be set from outside.
 */
export function enlargeThreadPool(): void {
  process.env['UV_THREADPOOL_SIZE'] ??= String(availableParallelism() + 4);
}

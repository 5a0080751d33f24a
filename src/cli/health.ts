import { get, type IncomingMessage } from 'node:http';
import { readEnvironment } from '../core/environment.ts';
import { errorMessage, KvsInferenceError, UsageError } from '../core/errors.ts';
import type { HealthAnswer } from '../worker/health-server.ts';
import { EXIT_OK, type ExitCode } from './exit-code.ts';

const TIMEOUT_MILLIS = 5000;
/** Far more than a worker ever says. */
const MAX_BYTES = 64 * 1024;

/**
 * Asks the worker on this machine whether its loops go round, for the health check of a container.
 *
 * @throws {UsageError} if HEALTH_PORT is not set
 * @throws {KvsInferenceError} UNHEALTHY if the worker says so, or nothing
 */
export async function health(): Promise<ExitCode> {
  const { healthPort } = readEnvironment();
  if (healthPort === null) {
    throw new UsageError('HEALTH_PORT is not set; it names the port at which the worker tells its health');
  }
  const url = `http://127.0.0.1:${healthPort}/health`;
  const problem = problemOf(await ask(url), url);
  if (problem !== null) throw new KvsInferenceError('UNHEALTHY', `unhealthy: ${problem}`);
  process.stdout.write('healthy\n');
  return EXIT_OK;
}

async function ask(url: string): Promise<string> {
  const signal = AbortSignal.timeout(TIMEOUT_MILLIS);
  try {
    return await new Promise((resolve, reject) => {
      get(url, { signal, agent: false }, (response) => void read(response).then(resolve, reject)).once(
        'error',
        reject,
      );
    });
  } catch (error) {
    const reason = signal.aborted ? `no answer within ${TIMEOUT_MILLIS} ms` : errorMessage(error);
    throw new KvsInferenceError('UNHEALTHY', `unhealthy: the worker cannot be asked at ${url}: ${reason}`);
  }
}

/** What goes on for longer is cut. */
async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_BYTES) break;
  }
  return Buffer.concat(chunks).toString();
}

/** @returns null for a healthy worker */
function problemOf(body: string, url: string): string | null {
  try {
    const answer = JSON.parse(body) as HealthAnswer;
    if (answer.status === 'healthy') return null;
    return answer.late
      .map(({ loop, lateMillis }) => `${loop}: late by ${Math.round(lateMillis / 1000)} s`)
      .join(', ');
  } catch {
    return `what answers at ${url} is no worker`;
  }
}

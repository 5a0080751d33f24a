import { once } from 'node:events';
import { createServer } from 'node:http';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Health } from './health.ts';

/** `late` names the loops that do not come round. */
export type HealthAnswer =
  | { readonly status: 'healthy' }
  | { readonly status: 'unhealthy'; readonly late: ReturnType<Health['problems']> };

export interface HealthServer {
  close(): Promise<void>;
}

/** Whoever asks is on this machine, and asks briefly. */
const REQUEST_TIMEOUT_MILLIS = 5000;

/**
 * Answers `GET /health` on loopback: 200, or 503 when a loop is late.
 *
 * A port that cannot be listened on is logged and no reason to end: a worker that cannot be asked works all the same.
 * Where a health check is configured, it fails and says so.
 */
export async function serveHealth(
  health: Pick<Health, 'problems'>,
  port: number,
  log: Logger,
): Promise<HealthServer> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MILLIS }, (request, response) => {
    if (request.method !== 'GET' || request.url !== '/health') return response.writeHead(404).end();
    const late = health.problems();
    const answer: HealthAnswer = late.length === 0 ? { status: 'healthy' } : { status: 'unhealthy', late };
    return response
      .writeHead(late.length === 0 ? 200 : 503, { 'content-type': 'application/json', connection: 'close' })
      .end(JSON.stringify(answer));
  });
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    const problem = `health cannot be asked for at HEALTH_PORT ${port}: ${errorMessage(error)}`;
    log.warn({ port, error: errorName(error) }, problem);
    return { close: async () => undefined };
  }
  // Such as no more file descriptors: who asks next may be answered.
  server.on('error', (error) => {
    log.warn({ port, error: errorName(error) }, `health cannot be asked for: ${errorMessage(error)}`);
  });
  return {
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

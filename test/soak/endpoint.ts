import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from '../support/http-server.ts';
import { awsError } from '../support/http-server.ts';
import { DETECTION } from '../support/local-services.ts';
import { listenOnLoopback } from '../support/loopback.ts';

/** What the endpoint does with each call. */
export type EndpointHealth =
  | 'well'
  /** Answers late. */
  | 'slow'
  /** Takes a few calls at a time and refuses the others. */
  | 'throttled'
  /** Every connection is reset. */
  | 'away';

const WELL_MILLIS = 25;
const SLOW_MILLIS = 1000;
const THROTTLED_CALLS = 2;

/** SageMaker's runtime, for any number of endpoints that are all as well as each other. Keeps nothing of what it is sent. */
export async function startEndpoint() {
  let health: EndpointHealth = 'well';
  let underWay = 0;
  const answer = async (): Promise<Answer> => {
    if (health === 'throttled' && underWay > THROTTLED_CALLS) return awsError('ThrottlingException');
    await delay(health === 'slow' ? SLOW_MILLIS : WELL_MILLIS);
    return DETECTION;
  };
  const server = createServer(async (incoming, response) => {
    underWay += 1;
    response.once('close', () => {
      underWay -= 1;
    });
    if (health === 'away') return void incoming.socket.resetAndDestroy();
    incoming.resume();
    const { status = 200, headers = {}, body } = await answer();
    response.writeHead(status, headers).end(body);
  });
  const { url, close } = await listenOnLoopback(server);
  return {
    url,
    set health(now: EndpointHealth) {
      health = now;
    },
    close,
  };
}

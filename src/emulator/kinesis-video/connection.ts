import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../core/clock.ts';

/** How long a producer may go on sending after its connection was ended. */
const LINGER_MILLIS = 1000;

/** The longest that a timer of Node.js can wait. */
const MAX_SLEEP_MILLIS = 2 ** 31 - 1;

/** Resolves after `millis` at the latest, or as soon as `signal` aborts. */
export async function sleepUntil(clock: Clock, millis: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(Math.min(millis, MAX_SLEEP_MILLIS), signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Aborts when the response is done or its connection is lost. */
export function closeSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  if (response.closed) controller.abort();
  else response.once('close', () => controller.abort());
  return controller.signal;
}

/** Writes, and waits while the peer is slower. @returns false where the connection is lost */
export async function write(response: ServerResponse, data: Buffer | string): Promise<boolean> {
  if (response.closed || response.destroyed) return false;
  if (response.write(data)) return true;
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
  return !response.closed;
}

/**
 * Ends the response to a request whose body is still coming. What comes on is read for a while: closing a socket
 * with unread bytes resets it, and the peer would lose the end of the answer.
 *
 * @param answer the last of the response
 */
export async function hangUp(
  request: IncomingMessage,
  response: ServerResponse,
  clock: Clock,
  answer = '',
): Promise<void> {
  const { socket } = request;
  const closed = new AbortController();
  if (socket.destroyed) closed.abort();
  else socket.once('close', () => closed.abort());
  response.end(answer, () => socket.end());
  request.resume();
  await sleepUntil(clock, LINGER_MILLIS, closed.signal);
  socket.destroy();
  // Node.js does not tell a request whose response is done that its socket is closed.
  request.destroy();
}

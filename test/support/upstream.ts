import { type ClientRequest, type IncomingMessage, request, type ServerResponse } from 'node:http';

/**
 * A call of Kinesis Video Streams that passes `incoming` on to `target`; its body is for the caller to write. Each of
 * the call and the response ends with the other.
 */
export function callUpstream(
  target: string,
  { url }: Pick<IncomingMessage, 'url'>,
  response: ServerResponse,
): ClientRequest {
  const call = request(`${target}${url}`, {
    method: 'POST',
    agent: false,
    headers: { 'content-type': 'application/json' },
  });
  call.on('error', () => response.destroy());
  response.once('close', () => call.destroy());
  return call;
}

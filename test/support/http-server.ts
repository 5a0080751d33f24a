import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { listenOnLoopback } from './loopback.ts';

export interface ReceivedRequest {
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /**
   * Answers never; resets the connection; ends it in the middle of the body; starts an answer and goes on with a byte
   * now and then, or as fast as it can, without end; answers with what is no HTTP.
   */
  trouble?: 'hang' | 'reset' | 'cut' | 'trickle' | 'endless' | 'garbage';
}

const TRICKLE_MILLIS = 5;

/** A real HTTP server on loopback that answers as it is told. */
export async function serve(answer: (request: ReceivedRequest, count: number) => Answer | Promise<Answer>) {
  const requests: ReceivedRequest[] = [];
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const request = { path: incoming.url ?? '', headers: incoming.headers, body: Buffer.concat(chunks) };
    requests.push(request);
    const { status = 200, headers = {}, body = '', trouble } = await answer(request, requests.length);
    if (trouble === undefined) response.writeHead(status, headers).end(body);
    else makeTrouble(trouble, response.writeHead(status, headers), body);
  });
  const { url, close } = await listenOnLoopback(server);
  return {
    url,
    requests,
    close,
    /** Listens again, on the same port. */
    reopen: async () => void (await listenOnLoopback(server, Number(new URL(url).port))),
  };
}

function makeTrouble(
  trouble: NonNullable<Answer['trouble']>,
  response: ServerResponse,
  body: string | Buffer,
): void {
  const { socket } = response;
  if (trouble === 'reset') socket?.resetAndDestroy();
  // The last chunk, which is empty, does not come.
  if (trouble === 'cut') response.write(body, () => socket?.destroy());
  if (trouble === 'garbage') socket?.end('no such thing as HTTP\r\n\r\n');
  if (trouble === 'trickle') {
    const timer = setInterval(() => response.write('.'), TRICKLE_MILLIS);
    response.once('close', () => clearInterval(timer));
  }
  if (trouble === 'endless') {
    const chunk = Buffer.alloc(1024 * 1024);
    const write = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', write);
    write();
  }
}

/** An error as the AWS JSON protocols have it. */
export function awsError(type: string, status = 400, fields: Record<string, unknown> = {}): Answer {
  return {
    status,
    headers: { 'x-amzn-errortype': type, 'content-type': 'application/json' },
    body: JSON.stringify({
      __type: type,
      Message: `${type} happened`,
      message: `${type} happened`,
      ...fields,
    }),
  };
}

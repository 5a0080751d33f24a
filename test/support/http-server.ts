import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedRequest {
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** Answers never, or cuts the connection. */
  trouble?: 'hang' | 'reset';
}

/** A real HTTP server on loopback that answers as it is told; `await using` closes it. */
export async function serve(answer: (request: ReceivedRequest, count: number) => Answer | Promise<Answer>) {
  const requests: ReceivedRequest[] = [];
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const request = { path: incoming.url ?? '', headers: incoming.headers, body: Buffer.concat(chunks) };
    requests.push(request);
    const { status = 200, headers = {}, body = '', trouble } = await answer(request, requests.length);
    if (trouble === 'hang') return;
    if (trouble === 'reset') incoming.socket.destroy();
    else response.writeHead(status, headers).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
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

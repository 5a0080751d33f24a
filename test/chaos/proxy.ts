import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { listenOnLoopback } from '../support/loopback.ts';
import type { Random } from '../support/random.ts';
import type { Fault } from './actions.ts';
import { mergePutRecords, splitPutRecords } from './put-records.ts';

export interface HttpProxyOptions {
  /** URL of the service. */
  target: string;
  random: Random;
  /** Changes what the service has answered. */
  rewrite?: (path: string, body: string) => string;
}

export interface HttpProxy {
  readonly url: string;
  /** How often each fault has struck. */
  readonly struck: ReadonlyMap<Fault, number>;
  /** From now on, and until `heal`, each request suffers the fault with this probability. */
  harm(fault: Fault, probability: number): void;
  /** Ends the fault; requests that hang are reset. */
  heal(): void;
  /** Cuts every connection at once; resolves when nothing is left. */
  close(): Promise<void>;
}

const AWS_JSON = { 'content-type': 'application/x-amz-json-1.1' };

interface Exchange {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** For a proxy before Kinesis Video Streams: media is had from there. */
export function mediaFrom(url: string): NonNullable<HttpProxyOptions['rewrite']> {
  return (path, body) => (path === '/getDataEndpoint' ? JSON.stringify({ DataEndpoint: url }) : body);
}

/** In front of a service of the AWS JSON protocol: forwards requests whole, and does harm when it is told to. */
export async function startHttpProxy({ target, random, rewrite }: HttpProxyOptions): Promise<HttpProxy> {
  const agent = new Agent({ keepAlive: true });
  const struck = new Map<Fault, number>();
  const hanging = new Set<Socket>();
  let harm: { fault: Fault; probability: number } | null = null;

  const forward = async ({ incoming, body }: Exchange): Promise<Answer> => {
    const { host: _, 'content-length': __, ...headers } = incoming.headers;
    const call = request(`${target}${incoming.url ?? '/'}`, {
      agent,
      method: incoming.method ?? 'POST',
      headers: { ...headers, 'content-length': body.length },
    });
    call.end(body);
    const [answer] = (await once(call, 'response')) as [IncomingMessage];
    const answerBody = await readAll(answer);
    return {
      status: answer.statusCode ?? 500,
      headers: answer.headers,
      body: rewrite === undefined ? answerBody : Buffer.from(rewrite(incoming.url ?? '', String(answerBody))),
    };
  };

  const suffer = async (exchange: Exchange, fault: Fault): Promise<void> => {
    const { incoming, response, body } = exchange;
    switch (fault) {
      case 'throttled':
        return send(response, errorAnswer(400, 'ProvisionedThroughputExceededException'));
      case 'failed':
        return send(response, errorAnswer(500, 'InternalServerError'));
      case 'hang':
        hanging.add(incoming.socket);
        return;
      case 'reset':
        incoming.socket.resetAndDestroy();
        return;
      case 'answerLost':
        await forward(exchange);
        incoming.socket.resetAndDestroy();
        return;
      case 'partial': {
        const { forwarded, isForwarded } = splitPutRecords(String(body), () => random.chance(0.5));
        if (forwarded === null) {
          const nothing = mergePutRecords('{"Records":[]}', isForwarded);
          return send(response, { status: 200, headers: AWS_JSON, body: Buffer.from(nothing) });
        }
        const answer = await forward({ ...exchange, body: Buffer.from(forwarded) });
        const merged = Buffer.from(mergePutRecords(String(answer.body), isForwarded));
        // The service's checksum is not that of the merged answer.
        const { 'x-amz-crc32': _, ...headers } = answer.headers;
        return send(response, answer.status === 200 ? { ...answer, headers, body: merged } : answer);
      }
    }
  };

  const server = createServer((incoming, response) => {
    const handle = async () => {
      const exchange = { incoming, response, body: await readAll(incoming) };
      const fault = harm !== null && random.chance(harm.probability) ? harm.fault : null;
      if (fault === null || (fault === 'partial' && !isPutRecords(incoming))) {
        return send(response, await forward(exchange));
      }
      struck.set(fault, (struck.get(fault) ?? 0) + 1);
      await suffer(exchange, fault);
    };
    // One of the two sides has gone: the other one is told by a reset.
    handle().catch(() => incoming.socket.destroy());
  });
  const listening = await listenOnLoopback(server);

  const heal = () => {
    harm = null;
    for (const socket of hanging) socket.resetAndDestroy();
    hanging.clear();
  };
  return {
    url: listening.url,
    struck,
    harm: (fault, probability) => {
      harm = { fault, probability };
    },
    heal,
    close: async () => {
      heal();
      await listening.close();
      agent.destroy();
    },
  };
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function isPutRecords({ headers }: IncomingMessage): boolean {
  return headers['x-amz-target'] === 'Kinesis_20131202.PutRecords';
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  const { 'transfer-encoding': _, connection: __, ...kept } = headers;
  response.writeHead(status, { ...kept, 'content-length': body.length }).end(body);
}

function errorAnswer(status: number, type: string): Answer {
  return {
    status,
    headers: { ...AWS_JSON, 'x-amzn-errortype': type },
    body: Buffer.from(JSON.stringify({ __type: type, message: 'a fault of the test' })),
  };
}

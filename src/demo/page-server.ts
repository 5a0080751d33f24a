import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type FastifyInstance, fastify } from 'fastify';
import type { Clock } from '../core/clock.ts';
import { errorName, KvsInferenceError } from '../core/errors.ts';
import type { DemoState } from './state.ts';

const LOOPBACK = '127.0.0.1';
const STATE_INTERVAL_MILLIS = 1000;
const MAX_CONNECTIONS = 64;

const FILES = [
  { path: '/', name: 'index.html', contentType: 'text/html; charset=utf-8' },
  { path: '/client.js', name: 'client.js', contentType: 'text/javascript; charset=utf-8' },
  { path: '/client.css', name: 'client.css', contentType: 'text/css; charset=utf-8' },
] as const;

const HEADERS = {
  // Trusted types: not even a mistake in the page can turn a label into markup.
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; '),
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  // The pictures are a camera's: they should not outlive the demo in a browser's cache.
  'cache-control': 'no-store',
};

/** A picture as it was sent to the endpoint. */
export interface StoredPicture {
  readonly body: Buffer;
  readonly contentType: string;
}

export interface PageServerOptions {
  /** Where to listen, default 127.0.0.1. In a container, 0.0.0.0: loopback cannot be reached from outside. */
  host?: string;
  /** The port wished for; 0 for any. */
  port: number;
  /** Directory with index.html, client.js and client.css, as `scripts/build-page.mjs` writes it. */
  pageDirectory: string;
  state: () => DemoState;
  /** The picture of a result's id, or null when it is no longer kept. */
  picture: (id: string) => StoredPicture | null;
  clock: Clock;
}

export interface PageServer {
  /** With the port it really has, which is another than wished for when that one is in use. */
  readonly url: string;
  /** Ends the event streams and closes every connection. */
  close(): Promise<void>;
}

/**
 * Serves the demo's page to browsers on this machine only: the page, `GET /events` with a DemoState about once a second
 * as server-sent events, and `GET /picture?id=…`. Throws when the page is not built.
 */
export async function startPageServer(options: PageServerOptions): Promise<PageServer> {
  const { host = LOOPBACK, port, pageDirectory, state, picture, clock } = options;
  const states = new StateStream(state, clock);
  const server = fastify({ forceCloseConnections: true });
  server.server.maxConnections = MAX_CONNECTIONS;

  server.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    if (isLocalHost(request.headers.host)) return;
    await reply
      .status(421)
      .send({ message: `The demo's page is at http://${LOOPBACK} and http://localhost only.` });
  });

  for (const { path, name, contentType } of FILES) {
    const content = await readPageFile(join(pageDirectory, name));
    server.get(path, (_request, reply) => reply.type(contentType).send(content));
  }

  // Browsers ask for it unbidden, and would report an error.
  server.get('/favicon.ico', (_request, reply) => reply.status(204).send());

  server.get('/events', { exposeHeadRoute: false }, (_request, reply) => {
    reply.hijack();
    reply.raw.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' });
    states.add(reply.raw);
  });

  server.get<{ Querystring: { id?: unknown } }>('/picture', (request, reply) => {
    const { id } = request.query;
    const found = typeof id === 'string' ? picture(id) : null;
    if (found === null) return reply.status(404).send({ message: 'This picture is no longer kept.' });
    return reply.type(found.contentType).send(found.body);
  });

  await listen(server, host, port);
  return {
    url: `http://${LOOPBACK}:${(server.server.address() as AddressInfo).port}`,
    close: async () => {
      states.end();
      await server.close();
    },
  };
}

/** The state as server-sent events: one timer for all listeners, none while there is no listener. */
class StateStream {
  readonly #state: () => DemoState;
  readonly #clock: Clock;
  readonly #listeners = new Set<ServerResponse>();
  #timer: AbortController | null = null;

  constructor(state: () => DemoState, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
  }

  add(listener: ServerResponse): void {
    listener.once('close', () => this.#remove(listener));
    listener.write(this.#message());
    this.#listeners.add(listener);
    if (this.#timer !== null) return;
    this.#timer = new AbortController();
    void this.#run(this.#timer.signal);
  }

  end(): void {
    for (const listener of this.#listeners) {
      listener.end();
      this.#remove(listener);
    }
  }

  #remove(listener: ServerResponse): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    this.#timer?.abort();
    this.#timer = null;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (await this.#sleep(signal)) {
      const message = this.#message();
      for (const listener of this.#listeners) {
        // Who is slow misses states; the next one says everything again.
        if (!listener.writableNeedDrain) listener.write(message);
      }
    }
  }

  /** @returns false once nobody listens */
  #sleep(signal: AbortSignal): Promise<boolean> {
    return this.#clock.sleep(STATE_INTERVAL_MILLIS, signal).then(
      () => !signal.aborted,
      () => false,
    );
  }

  #message(): string {
    return `data: ${JSON.stringify(this.#state())}\n\n`;
  }
}

/** A page elsewhere can point its own name at 127.0.0.1 (DNS rebinding), but not change the Host header. */
function isLocalHost(host: string | undefined): boolean {
  return /^(127\.0\.0\.1|localhost)(:\d{1,5})?$/i.test(host ?? '');
}

async function readPageFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new KvsInferenceError('PAGE_NOT_BUILT', `The demo's page has no ${path}: run "npm run build".`, {
      cause,
    });
  }
}

async function listen(server: FastifyInstance, host: string, port: number): Promise<void> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    if (errorName(error) !== 'EADDRINUSE') throw error;
    await server.listen({ host, port: 0 });
  }
}

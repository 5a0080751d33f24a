import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Random } from '../support/random.ts';

export interface MediaProxy {
  readonly url: string;
  readonly connections: number;
  /** Cuts each connection with this probability, after up to so many more bytes. @returns how many */
  cut(probability: number, bytes: number): number;
  /** Each connection with this probability: stays open, and nothing comes for a while. @returns how many */
  silence(probability: number, millis: number): number;
  /** Cuts every connection at once; resolves when nothing is left. */
  close(): Promise<void>;
}

/** In front of GetMedia: passes bytes on as they come, and does harm when it is told to. */
export async function startMediaProxy({
  target,
  random,
}: {
  /** URL of the data endpoint. */
  target: string;
  random: Random;
}): Promise<MediaProxy> {
  const { hostname, port } = new URL(target);
  const connections = new Set<Connection>();
  const server = createServer((client) => {
    const connection = new Connection(client, connect(Number(port), hostname));
    connections.add(connection);
    client.once('close', () => connections.delete(connection));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const chosen = (probability: number) => [...connections].filter(() => random.chance(probability));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections.size;
    },
    cut(probability, bytes) {
      const cut = chosen(probability);
      for (const connection of cut) connection.cut(random.integer(0, bytes), random.chance(0.5));
      return cut.length;
    },
    silence(probability, millis) {
      const silent = chosen(probability);
      for (const connection of silent) connection.silence(millis);
      return silent.length;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const connection of connections) connection.close();
      await closed;
    },
  };
}

class Connection {
  readonly #client: Socket;
  readonly #upstream: Socket;
  #cut: { bytesLeft: number; withReset: boolean } | null = null;
  #silence: NodeJS.Timeout | null = null;

  constructor(client: Socket, upstream: Socket) {
    this.#client = client;
    this.#upstream = upstream;
    client.on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => this.#passOn(chunk));
    client.on('drain', () => {
      if (this.#silence === null) upstream.resume();
    });
    for (const socket of [client, upstream]) {
      // What fails is closed, and what is closed ends the other one, too.
      socket.on('error', () => undefined);
      socket.on('close', () => this.#end());
    }
  }

  /** @param withReset in place of an end that looks clean to TCP */
  cut(afterBytes: number, withReset: boolean): void {
    this.#cut = { bytesLeft: afterBytes, withReset };
    if (afterBytes === 0) this.#cutNow(withReset);
  }

  silence(millis: number): void {
    this.#upstream.pause();
    clearTimeout(this.#silence ?? undefined);
    this.#silence = setTimeout(() => {
      this.#silence = null;
      this.#upstream.resume();
    }, millis);
  }

  close(): void {
    this.#end();
    this.#client.destroy();
  }

  #passOn(chunk: Buffer): void {
    const bytesLeft = this.#cut?.bytesLeft ?? Number.POSITIVE_INFINITY;
    if (this.#cut !== null) this.#cut.bytesLeft -= chunk.length;
    if (!this.#client.write(chunk.subarray(0, bytesLeft))) this.#upstream.pause();
    if (this.#cut !== null && chunk.length >= bytesLeft) this.#cutNow(this.#cut.withReset);
  }

  #cutNow(withReset: boolean): void {
    if (withReset) this.#client.resetAndDestroy();
    this.#end();
  }

  #end(): void {
    clearTimeout(this.#silence ?? undefined);
    this.#upstream.destroy();
    // What was passed on before is sent.
    this.#client.destroySoon();
  }
}

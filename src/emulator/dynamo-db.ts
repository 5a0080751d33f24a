import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import dynalite from 'dynalite';

/** Where a service listens. */
export interface Listening {
  /** Default 127.0.0.1. */
  readonly host: string;
  /** Default 0: any that is free. */
  readonly port: number;
}

export interface LocalService {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Ends every connection, then resolves. */
  close(): Promise<void>;
}

const KEEP_ALIVE_MILLIS = 60_000;

/** DynamoDB in this process and in memory. It never throttles; see the design's note on what it lacks. */
export async function startDynamoDb({
  host = '127.0.0.1',
  port = 0,
}: Partial<Listening> = {}): Promise<LocalService> {
  const server = dynalite({ createTableMs: 0 });
  // After the 5 seconds that Node.js has by default, a client on a busy machine would meet resets.
  server.keepAliveTimeout = KEEP_ALIVE_MILLIS;
  server.listen(port, host);
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

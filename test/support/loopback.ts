import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Below what any system gives to who asks for any port: nobody gets it before it is listened on. */
const PORTS = { from: 10_000, to: 32_000 };

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  const port = randomInt(PORTS.from, PORTS.to);
  try {
    await (await listenOnLoopback(createServer(), port)).close();
    return port;
  } catch {
    return await freePort();
  }
}

/** Lets a server listen on loopback, on a port that is free unless it is told. */
export async function listenOnLoopback(server: Server, port = 0) {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  /** Cuts every connection; from now on they are refused. Resolves when nothing is left; may be called again. */
  const close = async () => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return { url, close };
}

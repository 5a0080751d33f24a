import { createRequire } from 'node:module';
import { type AddressInfo, Server } from 'node:net';
import type { ReadyMessage } from '../service-process.ts';

/*
 * The process that runs kinesis-local. The package listens on all interfaces, on ports that must be known before: here
 * it gets HOST (127.0.0.1) and PORT (0: any that is free), and tells its parent which. TLS, which nobody uses, stays on
 * loopback.
 */

/** Never listened on: they tell the two servers apart. */
const PLAIN_PORT = 1;
const TLS_PORT = 2;

const PLAIN = { host: process.env['HOST'] ?? '127.0.0.1', port: Number(process.env['PORT'] ?? 0) };
const TLS = { host: '127.0.0.1', port: 0 };

const listen: (this: Server, options: { host: string; port: number }, done: () => void) => Server =
  Server.prototype.listen;

Server.prototype.listen = function (this: Server, port: unknown, done?: unknown): Server {
  return listen.call(this, port === PLAIN_PORT ? PLAIN : TLS, () => {
    if (typeof done === 'function') done();
    const address = this.address() as AddressInfo;
    if (port === PLAIN_PORT) process.send?.({ ready: true, port: address.port } satisfies ReadyMessage);
  });
};

// The parent ends this process; without a parent there is nobody to serve.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));

const require = createRequire(import.meta.url);
Object.assign(process.env, {
  KINESIS_MOCK_PLAIN_PORT: String(PLAIN_PORT),
  KINESIS_MOCK_TLS_PORT: String(TLS_PORT),
  KINESIS_MOCK_CERT_PATH: require.resolve('kinesis-local/server.json'),
  LOG_LEVEL: 'ERROR',
});
require('kinesis-local');

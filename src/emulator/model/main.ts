// The model in a process of its own, started as SageMaker starts a container: `serve`. Listens on HOST (127.0.0.1;
// in a container set it to 0.0.0.0) and PORT (8080, SageMaker's; 0 for any that is free).
// A parent with an IPC channel is told the port, and the process does not outlive it.
import { UsageError } from '../../core/errors.ts';
import { createLogger } from '../../core/log.ts';
import type { ReadyMessage } from '../service-process.ts';
import { startModelServer } from './server.ts';

const SAGEMAKER_PORT = '8080';

function parsePort(text: string): number {
  const port = Number(text);
  if (text.trim() === '' || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new UsageError(`PORT is "${text}"; it must be an integer from 0 (any free port) to 65535`);
  }
  return port;
}

const [command = 'serve'] = process.argv.slice(2);
if (command !== 'serve') throw new UsageError(`Unknown command "${command}"; the only one is "serve"`);

const hasParent = process.channel !== undefined;
const server = await startModelServer({
  host: process.env['HOST'] ?? '127.0.0.1',
  port: parsePort(process.env['PORT'] ?? SAGEMAKER_PORT),
});

const stop = async () => {
  await server.close();
  process.exit(0);
};
process.once('SIGTERM', stop);
process.once('disconnect', stop);
// Ctrl+C reaches every process of the terminal: with a parent, it is the parent that decides.
process.on('SIGINT', hasParent ? () => undefined : stop);

await server.loaded;
if (process.send !== undefined) process.send({ ready: true, port: server.port } satisfies ReadyMessage);
else createLogger().info({ port: server.port }, 'model is loaded');

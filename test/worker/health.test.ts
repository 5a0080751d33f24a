import { createServer, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseConfig } from '../../src/config/parse.ts';
import { watchConfig } from '../../src/config/watch.ts';
import { Health } from '../../src/worker/health.ts';
import { serveHealth } from '../../src/worker/health-server.ts';
import { freePort, listenOnLoopback } from '../support/loopback.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recorded } from '../support/services.ts';

const MINUTE = 60_000;

test('a worker that has not started its loops yet is healthy', async () => {
  const clock = new ManualClock();
  const health = new Health(clock);
  clock.advance(60 * MINUTE);
  expect(health.problems()).toEqual([]);
});

test('a loop is late when its pause and five minutes are over; until its next turn', () => {
  const clock = new ManualClock();
  const health = new Health(clock);
  health.beat('metrics', 10 * MINUTE);
  health.beat('rounds', 3000);
  clock.advance(3000 + 5 * MINUTE);
  expect(health.problems()).toEqual([]);
  clock.advance(1);
  expect(health.problems()).toEqual([{ loop: 'rounds', lateMillis: 1 }]);
  clock.advance(10 * MINUTE);
  expect(health.problems().map(({ loop }) => loop)).toEqual(['metrics', 'rounds']);
  health.beat('rounds', 3000);
  expect(health.problems().map(({ loop }) => loop)).toEqual(['metrics']);
});

test('a loop that has ended is not waited for', () => {
  const clock = new ManualClock();
  const health = new Health(clock);
  health.beat('synchronizing leases', 0);
  health.beat('synchronizing leases', null);
  clock.advance(60 * MINUTE);
  expect(health.problems()).toEqual([]);
});

const CONFIG = parseConfig('{"streamNames":["a"],"sageMakerEndpoint":"e","kdsStreamName":"k"}');

/** The configuration is watched, with what is read. */
function watch(read: () => Promise<string>) {
  if (CONFIG.config === null) throw new Error('not good');
  const clock = new ManualClock();
  const health = new Health(clock);
  const end = new AbortController();
  const watching = watchConfig(
    {
      read,
      origin: 'ssm:app',
      initial: CONFIG,
      apply: () => undefined,
      beat: (pauseMillis) => health.beat('configuration', pauseMillis),
      clock,
      ...recorded(clock),
    },
    end.signal,
  );
  const close = async () => {
    end.abort();
    await watching;
  };
  return { clock, health, close };
}

test('a loop that fails each time goes round: it is healthy', async () => {
  const { clock, health, close } = watch(() => Promise.reject(new Error('away')));
  for (let minute = 0; minute < 30; minute += 1) await clock.pass(MINUTE);
  expect(health.problems()).toEqual([]);
  await close();
});

test('a loop that hangs is late', async () => {
  let release = () => {};
  const { clock, health, close } = watch(
    () => new Promise((_resolve, reject) => (release = () => reject(new Error('late')))),
  );
  for (let minute = 0; minute < 6; minute += 1) await clock.pass(MINUTE);
  expect(health.problems()).toEqual([{ loop: 'configuration', lateMillis: expect.any(Number) }]);
  release();
  await clock.pass(0);
  expect(health.problems()).toEqual([]);
  await close();
});

describe('asked over HTTP', () => {
  test('says that it is healthy, or what is late, and nothing else', async () => {
    const { log, lines } = recorded(new ManualClock());
    const port = await freePort();
    let late = [{ loop: 'metrics', lateMillis: 7 }];
    const server = await serveHealth({ problems: () => late }, port, log);
    const ask = async (path: string, method = 'GET') => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method });
      return [answer.status, await answer.text()];
    };
    expect(await ask('/health')).toEqual([503, JSON.stringify({ status: 'unhealthy', late })]);
    late = [];
    expect(await ask('/health')).toEqual([200, '{"status":"healthy"}']);
    expect(await ask('/')).toEqual([404, '']);
    expect(await ask('/health', 'POST')).toEqual([404, '']);
    await server.close();
    await expect(ask('/health')).rejects.toThrow();
    expect(lines).toEqual([]);
  });

  test('a server that fails later is a warning, and answers on', async () => {
    const { log, lines } = recorded(new ManualClock());
    const port = await freePort();
    const server = await serveHealth({ problems: () => [] }, port, log);
    openServer(port).emit('error', Object.assign(new Error('too many files'), { code: 'EMFILE' }));
    expect(lines).toEqual([expect.objectContaining({ level: 'warn', port, error: 'EMFILE' })]);
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    await server.close();
  });

  test('a port in use is named in a warning', async () => {
    const { log, lines } = recorded(new ManualClock());
    const other = await listenOnLoopback(createServer());
    const port = Number(new URL(other.url).port);
    const server = await serveHealth({ problems: () => [] }, port, log);
    expect(lines).toEqual([expect.objectContaining({ level: 'warn', port, error: 'EADDRINUSE' })]);
    await server.close();
    await other.close();
  });
});

/** The server of this process that listens on a port. */
function openServer(port: number): Server {
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles(): unknown[] };
  const servers = handles.call(process).filter((handle) => handle instanceof Server);
  const server = servers.find((each) => (each.address() as AddressInfo | null)?.port === port);
  if (server === undefined) throw new Error(`nothing listens on ${port}`);
  return server;
}

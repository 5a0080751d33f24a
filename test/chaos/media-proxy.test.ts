import { once } from 'node:events';
import { createServer, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '../support/eventually.ts';
import { Random } from '../support/random.ts';
import { type MediaProxy, startMediaProxy } from './media-proxy.ts';

let server: Server;
let proxy: MediaProxy;
let bodies: ServerResponse[];

beforeEach(async () => {
  bodies = [];
  server = createServer((_incoming, response) => {
    response.flushHeaders();
    bodies.push(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  proxy = await startMediaProxy({ target, random: new Random(1) });
});

afterEach(async () => {
  await proxy.close();
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
});

/** Reads a body that goes on; tells how it ended. */
async function open() {
  const call = request(proxy.url, { agent: false }).end();
  // A reset is told to the request, too.
  call.on('error', () => undefined);
  const [response] = await once(call, 'response');
  const body = { text: '', end: '' };
  response.setEncoding('utf8').on('data', (text: string) => {
    body.text += text;
  });
  response.on('end', () => {
    body.end = 'end';
  });
  response.on('error', () => {
    body.end = 'error';
  });
  return body;
}

test('bytes pass as they come, and an end is an end', async () => {
  const body = await open();
  bodies[0]?.write('one');
  await eventually(() => body.text === 'one');
  bodies[0]?.end('two');
  await eventually(() => body.end === 'end');
  expect(body.text).toBe('onetwo');
});

test('cut at once, on both sides', async () => {
  const body = await open();
  bodies[0]?.write('one');
  await eventually(() => body.text === 'one');
  expect(proxy.cut(1, 0)).toBe(1);
  await eventually(() => body.end === 'error' && bodies[0]?.closed === true);
  expect(body.text).toBe('one');
  await eventually(() => proxy.connections === 0);
});

test('cut after some bytes more: what has come before is passed on at the most', async () => {
  const body = await open();
  proxy.cut(1, 500);
  bodies[0]?.write('x'.repeat(2000));
  await eventually(() => body.end === 'error' && bodies[0]?.closed === true);
  expect(body.text.length).toBeLessThan(500);
});

test('silence: open, and nothing comes; then all of it', async () => {
  const silent = await open();
  expect(proxy.silence(1, 60_000)).toBe(1);
  const other = await open();
  for (const body of bodies) body.write('one');
  await eventually(() => other.text === 'one');
  expect(silent).toEqual({ text: '', end: '' });
  proxy.silence(1, 1);
  for (const body of bodies) body.write('two');
  await eventually(() => silent.text === 'onetwo' && other.text === 'onetwo');
});

test('only the connections that are chosen', async () => {
  await Promise.all(Array.from({ length: 20 }, open));
  const cut = proxy.cut(0.5, 0);
  expect(cut).toBeGreaterThan(3);
  expect(cut).toBeLessThan(17);
  await eventually(() => proxy.connections === 20 - cut);
});

import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import { startServiceProcess } from '../../../src/emulator/service-process.ts';
import { CAR_JPEG } from './pictures.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

const onAnyPort = { ...process.env, HOST: '127.0.0.1', PORT: '0' };

let folder: string;
let script: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'model-process-'));
  script = join(folder, 'main.mjs');
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  await build({
    absWorkingDir: root,
    entryPoints: ['src/emulator/model/main.ts'],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A script that never says it is ready; it tells its process id when it has run `setup`. */
async function stuckScript(setup: string) {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const started = once(server, 'request').then(([request, response]) => {
    response.end();
    server.close();
    return Number(request.headers.pid);
  });
  const path = join(folder, 'stuck.mjs');
  const tell = `fetch('http://127.0.0.1:${port}', { headers: { pid: process.pid, connection: 'close' } })`;
  writeFileSync(path, `${setup}; setInterval(() => {}, 1000); ${tell}`);
  return { path, started };
}

const isRunning = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test('detects in a process of its own until it is closed', async () => {
  const model = await startServiceProcess({ args: ['serve'], script });
  try {
    expect((await fetch(`${model.url}/ping`)).status).toBe(200);
    const response = await fetch(`${model.url}/invocations`, {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg' },
      body: new Uint8Array(CAR_JPEG),
    });
    expect(await response.json()).toEqual({ prediction: [[2, ...Array(5).fill(expect.any(Number))]] });
  } finally {
    await model.close();
  }
  await model.close();
  await expect(fetch(`${model.url}/ping`)).rejects.toThrow();
});

test('leaves Ctrl+C to its parent, and ends when the parent is gone', async () => {
  const child = fork(script, ['serve'], { execArgv: [], env: onAnyPort });
  const [{ port }] = await once(child, 'message');
  child.kill('SIGINT');
  expect((await fetch(`http://127.0.0.1:${port}/ping`)).status).toBe(200);
  child.disconnect();
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('started by hand, logs where it listens and ends on Ctrl+C', async () => {
  const child = spawn(process.execPath, [script], { env: onAnyPort });
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
  const { port } = JSON.parse(line);
  expect((await fetch(`http://127.0.0.1:${port}/ping`)).status).toBe(200);
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([0, null]);
});

test('a process that fails is reported with its last words', async () => {
  const path = join(folder, 'failing.mjs');
  writeFileSync(path, 'console.error("no model here"); process.exitCode = 3;');
  await expect(startServiceProcess({ args: ['serve'], script: path })).rejects.toMatchObject({
    code: 'SERVICE_PROCESS_FAILED',
    message: `The process ${path} ended with exit code 3 before it was ready:\nno model here`,
  });
});

test('starting can be given up', async () => {
  const { path, started } = await stuckScript('');
  const controller = new AbortController();
  const model = startServiceProcess({ args: ['serve'], script: path, signal: controller.signal });
  const pid = await started;
  controller.abort();
  await expect(model).rejects.toMatchObject({ name: 'AbortError' });
  expect(isRunning(pid)).toBe(false);
});

test('a process that is late and does not heed SIGTERM is killed', async () => {
  const { path, started } = await stuckScript('process.on("SIGTERM", () => {})');
  // Time jumps to the end of each limit as soon as the script runs.
  const clock: Clock = {
    ...systemClock,
    sleep: async () => {
      await started;
    },
  };
  const model = startServiceProcess({ args: ['serve'], script: path, clock });
  await expect(model).rejects.toThrow('was not ready within 30000 ms');
  expect(isRunning(await started)).toBe(false);
});

test.each([
  { args: ['serve'], PORT: 'http', message: 'PORT is "http"; it must be an integer from 0' },
  { args: ['train'], PORT: '0', message: 'Unknown command "train"; the only one is "serve"' },
])('refuses $args with PORT $PORT', async ({ args, PORT, message }) => {
  const child = spawn(process.execPath, [script, ...args], { env: { ...process.env, PORT } });
  const [output, [exitCode]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  expect(exitCode).toBe(1);
  expect(output).toContain(message);
});

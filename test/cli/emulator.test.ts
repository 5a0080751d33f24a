import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { KinesisVideo } from '@aws-sdk/client-kinesis-video';
import { localClient } from '../support/services.ts';

const program = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

interface Ready {
  env: Record<string, string>;
  page?: string;
}

let child: ChildProcess;

/** Starts the emulator without a model; resolves with its first line. */
async function start(...args: string[]): Promise<Ready> {
  child = spawn(process.execPath, [program, 'emulator', '--no-model', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.stdout === null) throw new Error('there is no standard output');
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return JSON.parse(line);
}

const endpoints = ({ env }: Ready) =>
  Object.entries(env).flatMap(([name, url]) => (name.startsWith('AWS_ENDPOINT_URL_') ? [new URL(url)] : []));

afterEach(async () => {
  if (child.exitCode === null) child.kill('SIGKILL');
});

test('lets others in under the name that they call it by, and serves a page', async () => {
  const ready = await start('--host', 'localhost', '--page', '0');
  expect(new Set(endpoints(ready).map(({ hostname }) => hostname))).toEqual(new Set(['localhost']));
  const kinesisVideo = new KinesisVideo(localClient(ready.env['AWS_ENDPOINT_URL_KINESIS_VIDEO'] ?? ''));
  try {
    await kinesisVideo.createStream({ StreamName: 'front' });
    const { DataEndpoint } = await kinesisVideo.getDataEndpoint({
      StreamName: 'front',
      APIName: 'GET_MEDIA',
    });
    expect(DataEndpoint).toBe(ready.env['AWS_ENDPOINT_URL_KINESIS_VIDEO']);
  } finally {
    kinesisVideo.destroy();
  }
  expect(await (await fetch(ready.page ?? '')).text()).toContain('<title>kvs-inference');
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { until } from './local.ts';

const cli = fileURLToPath(new URL('../../scripts/cli.mjs', import.meta.url));

/** Where the processes under test put their temporary files, and nobody else does. */
let TMPDIR: string;

beforeAll(async () => {
  TMPDIR = await mkdtemp(join(tmpdir(), 'demo-test-'));
});

afterAll(() => rm(TMPDIR, { recursive: true }));

function startDemo(...args: string[]) {
  const child = spawn(process.execPath, [cli, 'demo', ...args], {
    env: { ...process.env, TMPDIR },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stdout: string[] = [];
  const stderr: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => stdout.push(line));
  createInterface({ input: child.stderr }).on('line', (line) => stderr.push(line));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, stdout, stderr, ended };
}

test('the person and the cars are seen, and every sampled frame is published and parsed', async () => {
  const { stdout, ended } = startDemo('--headless', '--seconds', '6', '--json');
  expect(await ended).toBe(0);
  const summary = JSON.parse(stdout.join('')) as Record<string, number> & {
    detections: Record<string, number>;
  };
  expect(summary).toEqual({
    streams: 2,
    fragments: expect.any(Number),
    iFrames: expect.any(Number),
    sampled: expect.any(Number),
    published: summary['sampled'],
    parsed: summary['sampled'],
    failed: 0,
    detections: expect.objectContaining({ person: expect.any(Number), car: expect.any(Number) }),
    lagMillis: { p50: expect.any(Number), p99: expect.any(Number) },
    exit: 'ok',
  });
  expect(summary['sampled']).toBeGreaterThan(3);
}, 60_000);

describe('a page', () => {
  let blocker: Server;

  beforeAll(async () => {
    blocker = createServer((_request, response) => response.end('taken'));
    blocker.listen(0, '127.0.0.1');
    await once(blocker, 'listening');
  });

  afterAll(async () => {
    blocker.close();
    await once(blocker, 'close');
  });

  test('gets another port where its own is in use; Ctrl-C leaves neither process nor file', async () => {
    const { port } = blocker.address() as AddressInfo;
    const { child, stdout, ended } = startDemo('--port', String(port));
    const address = () => /http:\/\/127\.0\.0\.1:(\d+)/.exec(stdout.join('\n'));
    await until('the page', () => address() !== null);
    expect(address()?.[1]).not.toBe(String(port));
    expect(await (await fetch(address()?.[0] ?? '')).text()).toContain('kvs-inference');
    const children = await childrenOf(child.pid);
    expect(children.length).toBeGreaterThanOrEqual(3);
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    expect(children.filter(isRunning)).toEqual([]);
    expect(await readdir(TMPDIR)).toEqual([]);
  }, 60_000);
});

test('a source that FFmpeg cannot open is named with the reason, exit 2', async () => {
  const { stderr, ended } = startDemo('--headless', '--source', fileURLToPath(import.meta.url));
  expect(await ended).toBe(2);
  expect(stderr.join('\n')).toMatch(/demo\.test\.ts: Invalid data found when processing input/);
}, 60_000);

/** The processes that this one has started. */
async function childrenOf(parent: number | undefined): Promise<number[]> {
  const ps = spawn('ps', ['-A', '-o', 'pid=,ppid='], { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  ps.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(ps, 'close');
  const rows = text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  return rows.flatMap(([pid, ppid]) => (ppid === parent && pid !== undefined && pid !== ps.pid ? [pid] : []));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

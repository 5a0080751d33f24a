import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { doctor } from '../../src/cli/doctor.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { Finding } from '../../src/doctor/check.ts';
import { SYNC_LEASE_KEY } from '../../src/lease/keys.ts';
import { setUpTable } from '../../src/lease/table-setup.ts';
import { dist, type Local, startLocal, until } from '../e2e/local.ts';
import { serve } from '../support/http-server.ts';

const { signal } = new AbortController();

let local: Local;
let directory: string;

/* The built program against real services on this machine. */

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kvs-inference-doctor-'));
  local = await startLocal({ streams: ['front'] });
}, 60_000);

afterAll(async () => {
  await local.close();
  await rm(directory, { recursive: true });
});

/** As the first worker does. */
async function setUpLeaseTable() {
  const tableName = local.cluster.parameter;
  const application = { tableName, applicationName: tableName, create: true, onTrouble: () => undefined };
  const { dynamoDb } = local;
  return await setUpTable(
    { ...application, dynamoDb, requestTimeoutMillis: 5000, clock: systemClock },
    signal,
  );
}

function start(args: string[], variables: Record<string, string> = {}) {
  const child = spawn(process.execPath, [dist('main'), 'doctor', ...args], {
    env: { ...process.env, ...local.env, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...output }));
  return { child, ended };
}

const run = (...args: string[]) => start(args).ended;

test('where a worker can run: plain lines, and nothing is left behind', async () => {
  const leases = await setUpLeaseTable();
  const { code, stdout, stderr } = await run();
  expect(stderr).toBe('');
  const lines = stdout.split('\n').map((line) => line.replace(/ {2,}/g, '  '));
  expect(lines.slice(0, 7)).toEqual([
    'ok  credentials  AWS  region us-east-1',
    'ok  GetParameter  kvs-inference-local  the configuration is right',
    'ok  DescribeStream  front  ACTIVE, keeps its video for 24 h',
    expect.stringMatching(/^ok {2}GetDataEndpoint {2}front {2}http:/),
    'ok  GetMedia  front  opened from NOW, and closed at once',
    expect.stringMatching(
      /^ok {2}InvokeEndpoint {2}local-detector {2}\d+ bytes of application\/json in \d+ ms, for a grey/,
    ),
    expect.stringMatching(/^ok {2}PutRecords {2}kvs-inference-results {2}permitted; nothing was written/),
  ]);
  expect(lines.slice(-2)).toEqual(['0 errors, 0 warnings, 15 ok', '']);
  expect(code).toBe(0);
  expect(await local.results()).toEqual([]);
  expect((await leases.scan(signal)).map((item) => item['leaseKey'])).toEqual([{ S: SYNC_LEASE_KEY }]);
});

test('a configuration that is not deployed yet, with what is missing: one JSON object, exit code 1', async () => {
  const file = join(directory, 'new.json');
  const keys = { streamNames: ['front', 'gone'], sageMakerEndpoint: 'e', kdsStreamName: 'nowhere' };
  await writeFile(file, JSON.stringify({ ...keys, leaseTable: 'leases', createLeaseTable: false }));
  const { code, stdout } = await run('--config', file, '--json');
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  const missing = findings.filter(({ result }) => result === 'error');
  expect(missing.map(({ check, target }) => `${check} ${target}`)).toEqual([
    'DescribeStream gone',
    'PutRecords nowhere',
    'DescribeTable leases',
  ]);
  expect(code).toBe(1);
});

test.each([
  [{}, 'CONFIG_PARAMETER is not set: name the SSM parameter with --parameter, or a file with --config'],
  [{ config: '/nowhere.json' }, '/nowhere.json cannot be read'],
])('wrong use: %j', async (options, problem) => {
  await expect(doctor({ json: false, ...options })).rejects.toMatchObject({
    name: 'UsageError',
    message: expect.stringContaining(problem),
  });
});

test('Ctrl-C ends it', async () => {
  const silent = await serve(() => ({ trouble: 'hang' }));
  const { child, ended } = start([], { AWS_ENDPOINT_URL_KINESIS: silent.url });
  await until('the data stream is asked', () => silent.requests.length > 0);
  child.kill('SIGINT');
  expect(await ended).toEqual({
    code: 1,
    stdout: '',
    stderr: 'kvs-inference: stopped before everything was checked\n',
  });
  await silent.close();
});

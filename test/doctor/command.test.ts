import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/core/clock.ts';
import type { Finding } from '../../src/doctor/check.ts';
import { SYNC_LEASE_KEY } from '../../src/lease/keys.ts';
import { setUpTable } from '../../src/lease/table-setup.ts';
import { dist, type Local, startLocal, until } from '../e2e/local.ts';
import { serve } from '../support/http-server.ts';

const { signal } = new AbortController();

let local: Local;
let directory: string;
let env: Record<string, string>;

/* The built program against real services on this machine. */

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kvs-inference-doctor-'));
  local = await startLocal({ streams: ['front'] });
  env = { ...local.env, CONFIG_PARAMETER: local.cluster.parameter };
});

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
    env: { ...process.env, CONFIG_PARAMETER: '', ...variables },
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

const run = (...options: Parameters<typeof start>) => start(...options).ended;

test('where a worker can run: plain lines, and nothing is left behind', async () => {
  const { code, stdout, stderr } = await run([], env);
  expect(stderr).toBe('');
  expect(stdout.split('\n').map((line) => line.replace(/ {2,}/g, '  '))).toEqual([
    'ok  credentials  AWS  region us-east-1',
    'ok  GetParameter  kvs-inference-local  the configuration is right',
    'ok  DescribeStream  front  ACTIVE, keeps video for 24 h',
    expect.stringMatching(/^ok {2}GetDataEndpoint {2}front {2}http:/),
    'ok  GetMedia  front  opened from NOW, and closed at once',
    expect.stringMatching(
      /^ok {2}InvokeEndpoint {2}local-detector {2}\d+ bytes of application\/json in \d+ ms, for a grey/,
    ),
    'ok  PutRecords  kvs-inference-results  permitted; nothing was written',
    expect.stringMatching(
      /^warning {2}DescribeTable {2}kvs-inference-local {2}.*the worker creates it at its start/,
    ),
    '0 to mend, 1 warning, 7 ok',
    '',
  ]);
  expect(code).toBe(0);
  expect(await local.results()).toEqual([]);
});

test('with a lease table: everything as one JSON object', async () => {
  const client = await setUpLeaseTable();
  const { code, stdout } = await run(['--json', '--parameter', local.cluster.parameter], local.env);
  const { counts, findings } = JSON.parse(stdout) as { counts: object; findings: Finding[] };
  expect(findings.filter(({ result }) => result !== 'ok')).toEqual([]);
  expect(counts).toEqual({ ok: 15, warning: 0, mend: 0 });
  expect(code).toBe(0);
  expect((await client.scan(signal)).map((item) => item['leaseKey'])).toEqual([{ S: SYNC_LEASE_KEY }]);
});

test('a configuration that is not deployed yet, with what is missing: exit code 1', async () => {
  const file = join(directory, 'new.json');
  const keys = { streamNames: ['front', 'gone'], sageMakerEndpoint: 'e', kdsStreamName: 'nowhere' };
  await writeFile(file, JSON.stringify({ ...keys, leaseTable: 'leases', createLeaseTable: false }));
  const { code, stdout } = await run(['--config', file, '--json'], local.env);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  const missing = findings.filter(({ result }) => result === 'mend');
  expect(missing.map(({ check, target }) => `${check} ${target}`)).toEqual([
    'DescribeStream gone',
    'PutRecords nowhere',
    'DescribeTable leases',
  ]);
  expect(code).toBe(1);
});

test.each([
  [[], 'CONFIG_PARAMETER is not set: name the SSM parameter with --parameter, or a file with --config'],
  [['--config', '/nowhere.json'], '/nowhere.json cannot be read'],
  [['--parametre', 'x'], "unknown option '--parametre'"],
])('wrong use: %j', async (args, problem) => {
  const { code, stderr } = await run(args, { ...local.env, CONFIG_PARAMETER: '' });
  expect(stderr).toContain(problem);
  expect(code).toBe(2);
});

test('Ctrl-C ends it', async () => {
  const silent = await serve(() => ({ trouble: 'hang' }));
  const { child, ended } = start([], { ...env, AWS_ENDPOINT_URL_KINESIS: silent.url });
  await until('the data stream is asked', () => silent.requests.length > 0);
  child.kill('SIGINT');
  expect(await ended).toEqual({
    code: 1,
    stdout: '',
    stderr: 'kvs-inference: stopped before everything was checked\n',
  });
  await silent.close();
});

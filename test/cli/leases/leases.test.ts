import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CreateTableCommand, ListTablesCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { serveAwsJson } from '../../../src/emulator/aws-json.ts';
import type { LocalService } from '../../../src/emulator/dynamo-db.ts';
import { Parameters } from '../../../src/emulator/parameters.ts';
import { startLeaseTable } from '../../support/lease-table.ts';

const program = fileURLToPath(new URL('../../../dist/main.js', import.meta.url));
const { signal } = new AbortController();
const EARLIEST = { type: 'EARLIEST' } as const;
const CHECKPOINT = {
  fragmentNumber: '91343852333181432392682062607743920146159169392',
  serverTimestampMillis: 1_700_000_000_000,
  iFrameCounter: 7,
};
const OWNER = '1a2b3c4d-0000-4000-8000-000000000000';

interface LeaseLine {
  leaseOwner: string | null;
}

let local: Awaited<ReturnType<typeof startLeaseTable>>;
let ssm: LocalService;
let parameters: Parameters;
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  local = await startLeaseTable();
  parameters = new Parameters();
  putConfig('/team/test', {});
  ssm = await serveAwsJson(parameters.operations);
  const endpoint = await local.dynamoDb.config.endpoint?.();
  env = {
    ...process.env,
    CONFIG_PARAMETER: '/team/test',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_DYNAMODB: `http://127.0.0.1:${endpoint?.port}`,
    AWS_ENDPOINT_URL_SSM: ssm.url,
  };
});

afterEach(async () => {
  await ssm.close();
  await local.close();
});

function putConfig(name: string, keys: object): void {
  const config = { streamNames: ['front'], sageMakerEndpoint: 'e', kdsStreamName: 'k', leaseTable: 'leases' };
  parameters.set(name, JSON.stringify({ ...config, ...keys }));
}

function start(args: string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [program, 'leases', ...args], { env, stdio: 'pipe' });
}

async function run(...args: string[]) {
  const child = start(args);
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  child.stdin.end();
  const [code] = await once(child, 'close');
  return { code: code as number, ...output };
}

/** A stream that a worker reads, with a checkpoint. */
async function ownedLease(leaseKey: string) {
  const lease = await local.leases.write(
    await local.taken(OWNER, leaseKey),
    { checkpoint: CHECKPOINT, sampling: null },
    signal,
  );
  const worker = { workerId: OWNER, heartbeat: 3, leaseCount: 1, isLeaving: false, requests: new Map() };
  await local.workers.beat(worker, Date.now(), signal);
  return lease;
}

test('shows who reads what, and what cannot be read, and changes nothing', async () => {
  const lease = await ownedLease('front');
  await local.leases.create('back', null, EARLIEST, signal);
  const Item = { leaseKey: { S: 'bad' }, leaseOwner: { S: '$free' } };
  await local.dynamoDb.send(new PutItemCommand({ TableName: 'leases', Item }));
  const before = await local.client.scan(signal);

  const text = await run();
  expect(text).toMatchObject({ code: 0, stderr: '' });
  expect(text.stdout).toMatch(/^leases of test, /);
  expect(text.stdout).toMatch(
    /back +free +– +start: EARLIEST +– +–\n +front +1a2b3c4d +\d+ s ago +913438…169392/,
  );
  expect(text.stdout).toMatch(/"bad" cannot be read: .*leaseCounter/);
  expect(text.stdout).not.toContain('\u001b[');

  const { stdout } = await run('--json', '--table', 'leases');
  expect(JSON.parse(stdout)).toMatchObject({
    leases: [
      { streamName: 'back', state: 'FREE', leaseOwner: null },
      { streamName: 'front', leaseOwner: OWNER, leaseEpoch: lease.leaseEpoch, checkpoint: CHECKPOINT },
    ],
    workers: [{ workerId: OWNER, heartbeat: 3, ownedLeases: 1 }],
    synchronization: { state: 'FREE' },
    invalid: [{ leaseKey: 'bad' }],
  });
  expect(await local.client.scan(signal)).toEqual(before);
});

test('an empty table is said to be empty', async () => {
  const { code, stdout } = await run();
  expect(code).toBe(0);
  expect(stdout).toContain('no leases');
  expect(stdout).toContain('no workers');
});

test('a table that is missing is named, and not created', async () => {
  putConfig('/team/new', { leaseTable: 'missing' });
  const { code, stderr } = await run('--parameter', '/team/new');
  expect(stderr).toBe('kvs-inference: DynamoDB table "missing" does not exist\n');
  expect(code).toBe(2);
  const { TableNames } = await local.dynamoDb.send(new ListTablesCommand({}));
  expect(TableNames).toEqual(['leases']);
});

test('a table of another kind, or of another application, is named', async () => {
  await local.dynamoDb.send(
    new CreateTableCommand({
      TableName: 'orders',
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  );
  const orders = await run('--table', 'orders');
  expect(orders.stderr).toContain('DynamoDB table "orders" has the key id HASH');
  expect(orders.code).toBe(2);
  putConfig('/team/shop', {});
  const shop = await run('--parameter', '/team/shop');
  expect(shop.stderr).toContain('is the lease table of the application "test"');
  expect(shop.code).toBe(2);
});

test('--watch shows the table again and again, until a signal', async () => {
  await local.leases.create('front', null, EARLIEST, signal);
  const child = start(['--watch', '--interval', '0.1', '--json']);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value ?? '') as { leases: [LeaseLine] };
  expect(await next()).toMatchObject({ leases: [{ leaseOwner: null }] });
  await local.leases.take(await local.lease('front'), OWNER, signal);
  // What was read before the take is on its way.
  let [lease] = (await next()).leases;
  while (lease.leaseOwner === null) [lease] = (await next()).leases;
  expect(lease).toMatchObject({ leaseOwner: OWNER, leaseEpoch: 1, isOwnerSilent: true });
  const closed = once(child, 'close');
  child.kill('SIGINT');
  expect(await closed).toEqual([0, null]);
});

test('--release makes the lease free once it is confirmed: where nobody can be asked, --yes has to do', async () => {
  const lease = await ownedLease('front');
  const unconfirmed = await run('--release', 'front');
  expect(unconfirmed.stderr).toMatch(
    /taken from worker 1a2b3c4d \(last sign of life \d+ s ago\) and made free/,
  );
  expect(unconfirmed.stderr).toContain('add --yes');
  expect(unconfirmed).toMatchObject({ code: 2, stdout: '' });
  expect(await local.lease('front')).toEqual(lease);
  expect(await run('--release', 'front', '--yes')).toMatchObject({ code: 0, stdout: 'front is free\n' });
  expect(await local.lease('front')).toMatchObject({ leaseOwner: null, checkpoint: CHECKPOINT });
  await expect(local.leases.write(lease, { checkpoint: CHECKPOINT, sampling: null }, signal)).rejects.toThrow(
    'owned by another',
  );
});

test('--reset has the stream read from another position on', async () => {
  await ownedLease('front');
  const { code, stdout, stderr } = await run('--reset', 'front', '--to', '2023-11-15T00:00+02:00', '--yes');
  expect(stderr).toContain('until 2023-11-14T22:13:20.000Z (13 min)');
  expect(stdout).toBe('front is read from 2023-11-14T22:00:00.000Z on\n');
  expect(code).toBe(0);
  expect(await local.lease('front')).toMatchObject({
    leaseOwner: null,
    checkpoint: null,
    start: { type: 'SERVER_TIMESTAMP', millis: Date.UTC(2023, 10, 14, 22) },
  });
});

test.each([
  [['--table', 'leases', '--release', 'frnot', '--yes'], 'no lease of a stream "frnot"; did you mean front?'],
  [['--reset', 'front'], '--reset and --to need each other'],
  [['--release', 'front', '--watch'], 'cannot be used with'],
  [['--interval', '0'], 'It must be a number of seconds'],
  [['--table', 'x y'], 'no name for a DynamoDB table'],
  [[], 'name the SSM parameter with --parameter, or the lease table with --table'],
])('%j is wrong use: exit 2, and why', async (args, message) => {
  env = { ...env, CONFIG_PARAMETER: '' };
  await local.leases.create('front', null, EARLIEST, signal);
  const { code, stderr } = await run(...args);
  expect(stderr).toContain(message);
  expect(code).toBe(2);
});

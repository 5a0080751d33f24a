import { setTimeout as delay } from 'node:timers/promises';
import { CreateTableCommand } from '@aws-sdk/client-dynamodb';
import { type HttpProxy, startHttpProxy } from '../chaos/proxy.ts';
import { Random } from '../support/random.ts';
import { type Application, compareWithReference, type Local, startLocal, until, untilDone } from './local.ts';

const CONFIG = { inferenceInterval: 1, failoverTimeInMilli: 2500, checkpointIntervalInMilli: 300 };
const LIMIT_MILLIS = 90_000;
const EXPIRED = 'no sign of life has landed for the fail-over time';

/** How the table cannot be reached, or what happens meanwhile. */
const FAULTS = ['reset', 'hang'] as const;
const OUTAGES = [...FAULTS, 'end'];
/** Each application has streams of its own, as a stream has no more than three readers at once. */
const streamsOf = (outage: string) => [`${outage}-front`, `${outage}-back`];

let local: Local;

beforeAll(async () => {
  local = await startLocal({ streams: ['front', 'back', ...OUTAGES.flatMap(streamsOf)] });
});

afterAll(async () => {
  await local.close();
});

describe('a table that cannot be reached', () => {
  /** Side by side: each application has its own way to the table. */
  const runs = new Map<string, Promise<void>>();

  beforeAll(() => {
    for (const fault of FAULTS) runs.set(fault, withProxy(fault, goOnAfter(fault)));
    runs.set('end', withProxy('end', endMeanwhile));
    // Each is awaited by its own test.
    for (const run of runs.values()) run.catch(() => undefined);
  });

  afterAll(async () => {
    await Promise.allSettled(runs.values());
  }, LIMIT_MILLIS);

  async function withProxy(
    outage: string,
    run: (application: Application, proxy: HttpProxy) => Promise<void>,
  ): Promise<void> {
    const target = local.env['AWS_ENDPOINT_URL_DYNAMODB'] ?? '';
    const proxy = await startHttpProxy({ target, random: new Random(1) });
    try {
      const config = { ...CONFIG, streamNames: streamsOf(outage) };
      await run(await local.addApplication(`outage-${outage}`, config), proxy);
    } finally {
      await proxy.close();
    }
  }

  const goOnAfter =
    (fault: (typeof FAULTS)[number]) => async (application: Application, proxy: HttpProxy) => {
      const worker = application.startWorker({ AWS_ENDPOINT_URL_DYNAMODB: proxy.url });
      const count = async () => (await application.results()).length;
      await until('results', async () => (await count()) > 4);

      // On a busy machine signs of life may have come too late before.
      const expired = worker.said(EXPIRED).length;
      proxy.harm(fault, 1);
      await until('it says so', () => worker.said(EXPIRED).length > expired);
      // What was being put at that moment lands.
      await delay(500);
      const before = await count();
      // A fragment lasts two seconds.
      await delay(3000);
      expect(await count()).toBe(before);
      expect(worker.said('sign of life not given, trying again').length).toBeGreaterThan(0);
      expect(worker.said(EXPIRED)).toHaveLength(expired + 1);

      proxy.heal();
      await untilDone(application, Date.now());
      expect(await worker.kill('SIGTERM')).toBe(0);
      expect(worker.said('gap:')).toEqual([]);
      const { ours, reference } = await compareWithReference(local, application);
      expect(ours).toEqual(reference);
      expect(ours.length).toBeGreaterThanOrEqual(before);
    };

  async function endMeanwhile(application: Application, proxy: HttpProxy): Promise<void> {
    const first = application.startWorker({ AWS_ENDPOINT_URL_DYNAMODB: proxy.url });
    await until('results', async () => (await application.results()).length > 4);
    proxy.harm('hang', 1);
    await until('it says so', () => first.said('sign of life not given, trying again').length > 0);
    expect(await first.kill('SIGTERM')).toBe(0);
    proxy.heal();
    const second = application.startWorker();
    await untilDone(application, Date.now());
    expect(await second.kill('SIGTERM')).toBe(0);
    const { ours, reference } = await compareWithReference(local, application);
    expect(ours).toEqual(reference);
  }

  test.each(FAULTS)(
    '%s: nothing is published for a lease that may have expired, and all of it when the table is back',
    async (fault) => {
      await runs.get(fault);
    },
    LIMIT_MILLIS,
  );

  test(
    'a worker that is to end meanwhile ends, and the next one goes on',
    async () => {
      await runs.get('end');
    },
    LIMIT_MILLIS,
  );
});

describe('a table that cannot be used', () => {
  const startWorker = async (name: string, config: Record<string, unknown>) => {
    const needed = { streamNames: ['front'], sageMakerEndpoint: 'local-detector', kdsStreamName: 'none' };
    await local.putParameter(name, { ...needed, ...config });
    return local.startWorker({ CONFIG_PARAMETER: name });
  };

  async function createTable(TableName: string, key: string): Promise<void> {
    await local.dynamoDb.send(
      new CreateTableCommand({
        TableName,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [{ AttributeName: key, KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: key, AttributeType: 'S' }],
      }),
    );
  }

  test('another key: named, exit 2', async () => {
    await createTable('people', 'name');
    const worker = await startWorker('wrong-key', { leaseTable: 'people' });
    expect(await worker.ended).toBe(2);
    expect(worker.failure()).toContain(
      'DynamoDB table "people" has the key name HASH; a lease table has leaseKey HASH',
    );
  });

  test('no index of the owners: named, exit 2', async () => {
    await createTable('plain', 'leaseKey');
    const worker = await startWorker('no-index', { leaseTable: 'plain' });
    expect(await worker.ended).toBe(2);
    expect(worker.failure()).toContain(
      'DynamoDB table "plain" needs the global secondary index "leaseOwner" with the key leaseOwner HASH',
    );
  });

  test("another application's: refused with the names, exit 2, and that one goes on", async () => {
    const owner = await local.addApplication('owner', { ...CONFIG, streamNames: ['front', 'back'] });
    const running = owner.startWorker();
    await until('its leases', async () => (await owner.leases()).size === 2);
    const worker = await startWorker('/team/second', { leaseTable: 'owner' });
    expect(await worker.ended).toBe(2);
    expect(worker.failure()).toContain(
      'DynamoDB table "owner" is the lease table of the application "owner"; "second" needs one of its own: set "leaseTable"',
    );
    expect(await running.kill('SIGTERM')).toBe(0);
  });

  test('none, and it is not to be created: named, exit 2', async () => {
    const worker = await startWorker('missing', { createLeaseTable: false });
    expect(await worker.ended).toBe(2);
    expect(worker.failure()).toContain(
      'DynamoDB table "missing" does not exist; create it, or set "createLeaseTable" to true',
    );
    expect((await local.leases('missing')).size).toBe(0);
  });
});

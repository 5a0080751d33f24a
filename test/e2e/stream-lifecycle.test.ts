import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import { newLeaseItem } from '../../src/lease/lease.ts';
import { awsError, serve } from '../support/http-server.ts';
import { type Application, compareWithReference, type Local, startLocal, until } from './local.ts';

const CONFIG = {
  inferenceInterval: 2,
  failoverTimeInMilli: 2000,
  checkpointIntervalInMilli: 300,
  leaseSyncIntervalInMilli: 1000,
};
const TAG_FILTERS = [{ key: 'site', values: ['north', 'south'] }, { key: 'indoors' }];
const TAGS = { site: 'south', indoors: '' };

let local: Local;

beforeAll(async () => {
  local = await startLocal({ streams: ['named', 'by-arn', 'door', 'hall', 'yard', 'again'] });
});

afterAll(async () => {
  await local.close();
});

beforeEach(async () => {
  for (const StreamName of ['door', 'hall']) await local.kinesisVideo.tagStream({ StreamName, Tags: TAGS });
  await local.kinesisVideo.tagStream({ StreamName: 'yard', Tags: { site: 'north' } });
});

async function arnOf(StreamName: string): Promise<string> {
  const { StreamInfo } = await local.kinesisVideo.describeStream({ StreamName });
  return StreamInfo?.StreamARN ?? '';
}

/** The streams that are read: those whose leases are not retired. */
async function leased(application: Application): Promise<string[]> {
  const leases = [...(await application.leases()).values()];
  return leases
    .filter(({ retiredAtMillis }) => retiredAtMillis === null)
    .map(({ leaseKey }) => leaseKey)
    .sort();
}

async function countsOf(application: Application, names: string[]): Promise<number[]> {
  const results = await application.results();
  return names.map((name) => results.filter(({ streamName }) => streamName === name).length);
}

/** Until some more results have come of each of these streams than there were when this was called. */
async function untilPublished(application: Application, ...names: string[]) {
  const before = await countsOf(application, names);
  await until(`results of ${names}`, async () =>
    (await countsOf(application, names)).every((count, index) => count > (before[index] ?? 0) + 3),
  );
}

const untagDoor = () => local.kinesisVideo.untagStream({ StreamName: 'door', TagKeyList: ['indoors'] });

test('streams by name, ARN and tags; one whose tag is removed and added again goes on where it was', async () => {
  const application = await local.addApplication('tags', {
    ...CONFIG,
    // "hall" is found twice.
    streamNames: ['named', await arnOf('by-arn'), 'hall'],
    tagFilters: TAG_FILTERS,
  });
  // Who retires the lease need not be who has it.
  const workers = [application.startWorker(), application.startWorker()];
  const said = (message: string) => workers.flatMap((worker) => worker.said(message));
  const all = ['by-arn', 'door', 'hall', 'named'];
  await until('their leases', async () => String(await leased(application)) === String(all));
  await untilPublished(application, ...all);

  await untagDoor();
  await until('it is retired', async () => !(await leased(application)).includes('door'));
  await until('its owner says so', () => said('lease retired').length > 0);
  expect(said('lease retired')).toMatchObject([{ streamName: 'door' }]);
  const retired = (await application.leases()).get('door');
  expect(retired?.checkpoint).not.toBeNull();
  await until('its connection is closed', () => local.cluster.connections('door').getMedia === 0);
  const counts = await countsOf(application, ['door']);
  await untilPublished(application, 'hall');
  expect(await countsOf(application, ['door'])).toEqual(counts);

  await local.kinesisVideo.tagStream({ StreamName: 'door', Tags: TAGS });
  await untilPublished(application, 'door');
  expect(said('stream is back: it goes on where it was')).toMatchObject([
    { streamName: 'door', checkpoint: retired?.checkpoint },
  ]);
  expect(await Promise.all(workers.map((worker) => worker.kill('SIGTERM')))).toEqual([0, 0]);
  const { ours, reference } = await compareWithReference(local, application);
  expect(ours).toEqual(reference);
  expect([...new Set(ours.map((id) => id.split('/')[0]))]).toEqual(all);
  // What was done before the lease was retired was not done again.
  const done = (await application.results()).filter(
    ({ streamName, fragmentNumber }) =>
      streamName === 'door' && BigInt(fragmentNumber) <= BigInt(retired?.checkpoint?.fragmentNumber ?? 0),
  );
  expect(new Set(done.map(({ id }) => id)).size).toBe(done.length);
}, 90_000);

test('a stream that is created again under its name starts anew', async () => {
  const application = await local.addApplication('again', {
    ...CONFIG,
    streamNames: ['again', 'named'],
  });
  const worker = application.startWorker();
  await untilPublished(application, 'again');
  const before = await arnOf('again');
  // Its camera creates it again.
  await local.kinesisVideo.deleteStream({ StreamARN: before });
  await until('it starts anew', () => worker.said('it starts anew').length > 0);
  const streamArn = await arnOf('again');
  expect(worker.said('it starts anew')).toMatchObject([{ streamName: 'again', before, streamArn }]);
  const lease = (await application.leases()).get('again');
  expect(lease).toMatchObject({ streamArn, start: { type: 'EARLIEST' } });

  // The new one's fragments are all younger than it.
  const createdAtMillis = Number(streamArn.split('/').at(-1));
  const oldIds = async () =>
    (await application.results())
      .filter(({ streamName }) => streamName === 'again')
      .filter(({ serverTimestamp }) => Date.parse(serverTimestamp) < createdAtMillis)
      .map(({ id }) => id);
  const old = await oldIds();
  expect(old.length).toBeGreaterThan(0);
  await untilPublished(application, 'again', 'named');
  expect(await worker.kill('SIGTERM')).toBe(0);
  expect(await oldIds()).toEqual(old);
  const { ours, reference } = await compareWithReference(local, application);
  expect(ours.filter((id) => !old.includes(id))).toEqual(reference);
  expect(reference.some((id) => id.startsWith('again/'))).toBe(true);
}, 90_000);

test('a lease that cannot be read is named, the others go on, and so does it once it is right', async () => {
  const application = await local.addApplication('invalid', { ...CONFIG, streamNames: ['named', 'hall'] });
  const first = application.startWorker();
  await until('both leases', async () => (await application.leases()).size === 2);
  expect(await first.kill('SIGTERM')).toBe(0);

  const item = newLeaseItem('named', await arnOf('named'), { type: 'EARLIEST' });
  const put = async (leaseEpoch: string) => {
    const Item = { ...item, leaseEpoch: { N: leaseEpoch } };
    await local.dynamoDb.send(new PutItemCommand({ TableName: 'invalid', Item }));
  };
  const before = await countsOf(application, ['named']);
  await put('-1');
  const worker = application.startWorker();
  await untilPublished(application, 'hall');
  const problem = 'item skipped: lease item "named" cannot be read: leaseEpoch.N: a whole number';
  await until('it is named', () => worker.said(problem).length > 0);
  expect(worker.said(problem)).toMatchObject([{ level: 'error', error: 'INVALID_LEASE' }]);
  expect(await countsOf(application, ['named'])).toEqual(before);

  await put('100');
  await untilPublished(application, 'named');
  expect(await worker.kill('SIGTERM')).toBe(0);
}, 90_000);

describe('a role without tag:GetResources', () => {
  let tagging: Awaited<ReturnType<typeof serve>>;

  beforeAll(async () => {
    tagging = await serve(() => awsError('AccessDeniedException'));
  });

  afterAll(async () => {
    await tagging.close();
  });

  test('each stream is asked for its tags', async () => {
    const application = await local.addApplication('not-permitted', {
      ...CONFIG,
      streamNames: [],
      tagFilters: TAG_FILTERS,
    });
    const worker = application.startWorker({ AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API: tagging.url });
    await until('their leases', async () => String(await leased(application)) === 'door,hall');
    await untilPublished(application, 'door', 'hall');
    await untagDoor();
    await until('one is retired', async () => String(await leased(application)) === 'hall');
    expect(worker.said('tag:GetResources is not allowed on *: add the statement')).toHaveLength(1);
    expect(tagging.requests.length).toBeGreaterThan(1);
    expect(await worker.kill('SIGTERM')).toBe(0);
  }, 90_000);
});

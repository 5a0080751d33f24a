import { setTimeout as delay } from 'node:timers/promises';
import {
  type Application,
  compareWithReference,
  type Local,
  startLocal,
  until,
  type WorkerUnderTest,
} from './local.ts';

const streams = Array.from({ length: 7 }, (_, index) => `camera-${index}`);
const CONFIG = {
  inferenceInterval: 2,
  failoverTimeInMilli: 2000,
  checkpointIntervalInMilli: 300,
  leaseSyncIntervalInMilli: 1000,
};

let local: Local;

beforeAll(async () => {
  local = await startLocal({
    streams,
    // Long enough that calls are in flight at any moment.
    endpoint: async () => {
      await delay(40);
      return { headers: { 'content-type': 'application/json' }, body: '{"prediction":[]}' };
    },
  });
});

afterAll(async () => {
  await local.close();
});

/** Until these workers have all leases between them, none two more than another. */
async function untilShared(application: Application, workers: WorkerUnderTest[], count = streams.length) {
  const [least, most] = [Math.floor(count / workers.length), Math.ceil(count / workers.length)];
  await until(`${count} leases are shared by ${workers.length} workers`, async () => {
    const owners = [...(await application.leases()).values()].map(({ leaseOwner }) => leaseOwner);
    const held = workers.map((worker) => owners.filter((owner) => owner === worker.id()).length);
    return (
      owners.length === count &&
      held.reduce((sum, leases) => sum + leases) === count &&
      held.every((leases) => leases >= least && leases <= most)
    );
  });
}

/** The keys of the leases that a worker has. */
async function leasesOf(worker: WorkerUnderTest, application: Application): Promise<string[]> {
  const leases = [...(await application.leases()).values()];
  return leases.filter(({ leaseOwner }) => leaseOwner === worker.id()).map(({ leaseKey }) => leaseKey);
}

/** Until more results have come of each stream than there were when this was called. */
async function untilAllPublish(application: Application) {
  const counts = async () => {
    const results = await application.results();
    return streams.map((name) => results.filter(({ streamName }) => streamName === name).length);
  };
  const before = await counts();
  await until('results of each stream', async () =>
    (await counts()).every((count, index) => count > (before[index] ?? 0)),
  );
}

/** The lines on streams that say this: the lease for synchronization is none of a stream. */
function streamLines(worker: WorkerUnderTest, message: string) {
  return worker.said(message).filter(({ streamName }) => streams.includes(String(streamName)));
}

async function expectSameFrames(application: Application) {
  const { ours, reference } = await compareWithReference(local, application);
  expect(ours).toEqual(reference);
  expect(new Set(ours.map((id) => id.split('/')[0])).size).toBe(streams.length);
}

test('who comes gets a share, who leaves hands its own over, and each stream is read once', async () => {
  const application = await local.addApplication('sharing', CONFIG);
  const first = application.startWorker();
  const second = application.startWorker();
  await untilShared(application, [first, second]);
  const third = application.startWorker();
  await untilShared(application, [first, second, third]);
  const epochs = async () =>
    [...(await application.leases()).values()].map(({ leaseKey, leaseEpoch }) => `${leaseKey} ${leaseEpoch}`);
  await until('nothing moves, and each stream has one connection', async () => {
    const before = await epochs();
    await untilAllPublish(application);
    const connections = streams.map((name) => local.cluster.connections(name).getMedia);
    return String(await epochs()) === String(before) && connections.every((count) => count === 1);
  });

  const leaving = await leasesOf(second, application);
  expect(await second.kill('SIGTERM')).toBe(0);
  const handedOver = streamLines(second, 'lease handed over').map(({ streamName }) => streamName);
  expect(handedOver).toEqual(expect.arrayContaining(leaving));
  expect(streamLines(second, 'lease released')).toEqual([]);
  await untilShared(application, [first, third]);
  await untilAllPublish(application);

  expect(await Promise.all([first.kill('SIGTERM'), third.kill('SIGTERM')])).toEqual([0, 0]);
  for (const lease of (await application.leases()).values()) expect(lease.leaseOwner).toBeNull();
  for (const worker of [first, second, third]) {
    expect(worker.said('gap:')).toEqual([]);
  }
  await expectSameFrames(application);
}, 120_000);

test('the holder of the lease for synchronization is killed: another one takes it, and finds new streams', async () => {
  const application = await local.addApplication('synchronization', {
    ...CONFIG,
    streamNames: [...streams, 'late'],
  });
  const workers = [application.startWorker(), application.startWorker(), application.startWorker()];
  await untilShared(application, workers);
  const holder = await application.syncHolder();
  const left = workers.filter((worker) => worker.id() !== holder);
  expect(left).toHaveLength(2);
  await workers.find((worker) => worker.id() === holder)?.kill('SIGKILL');
  await until('another holder', async () => {
    const now = await application.syncHolder();
    return left.some((worker) => worker.id() === now);
  });
  local.cluster.createStream('late');
  await untilShared(application, left, streams.length + 1);
  await untilAllPublish(application);
  expect(await Promise.all(left.map((worker) => worker.kill('SIGTERM')))).toEqual([0, 0]);
  await expectSameFrames(application);
}, 120_000);

test('a worker that was paused for long gives up what it had, and takes its share again', async () => {
  const application = await local.addApplication('pause', CONFIG);
  const [paused, other] = [application.startWorker(), application.startWorker()];
  await untilShared(application, [paused, other]);
  await untilAllPublish(application);
  const lost = await leasesOf(paused, application);
  paused.send('SIGSTOP');
  await until('the other has everything', async () =>
    [...(await application.leases()).values()].every(({ leaseOwner }) => leaseOwner === other.id()),
  );
  await untilAllPublish(application);
  paused.send('SIGCONT');
  const givenUp = () => [...paused.said('lease given up'), ...paused.said('lease lost')];
  await until('it gives up', () =>
    lost.every((name) => givenUp().some(({ streamName }) => streamName === name)),
  );
  await untilShared(application, [paused, other]);
  await untilAllPublish(application);
  expect(await Promise.all([paused.kill('SIGTERM'), other.kill('SIGTERM')])).toEqual([0, 0]);
  await expectSameFrames(application);
}, 120_000);

import { setTimeout as delay } from 'node:timers/promises';
import type { ResultRecord } from '../../src/result/record.ts';
import { type Local, startLocal, until } from './local.ts';

const CONFIG = {
  streamNames: ['front', 'back'],
  sageMakerEndpoint: 'local-detector',
  startPosition: 'EARLIEST',
  inferenceInterval: 2,
  failoverTimeInMilli: 1000,
  checkpointIntervalInMilli: 300,
};
const REFERENCE = { ...CONFIG, leaseTable: 'reference', kdsStreamName: 'reference' };

let local: Local;

beforeAll(async () => {
  local = await startLocal({
    streams: CONFIG.streamNames,
    config: CONFIG,
    // Long enough that a kill finds calls in flight.
    endpoint: async () => {
      await delay(40);
      return { headers: { 'content-type': 'application/json' }, body: '{"prediction":[]}' };
    },
  });
  await local.createDataStream('reference');
  await local.putParameter('reference', REFERENCE);
});

afterAll(async () => {
  await local.close();
});

const ids = (results: ResultRecord[]) => [...new Set(results.map(({ id }) => id))].sort();

/** How far both workers have got, stream by stream. */
async function checkpoints(table?: string): Promise<Array<string | undefined>> {
  const leases = await local.leases(table);
  return CONFIG.streamNames.map((name) => leases.get(name)?.checkpoint?.fragmentNumber);
}

test('a worker that is killed again and again samples and publishes the frames of one that is not', async () => {
  const reference = local.startWorker({ CONFIG_PARAMETER: 'reference' });
  let worker = local.startWorker();
  for (let kills = 0; kills < 3; kills += 1) {
    const before = (await local.results()).length;
    await until('the worker publishes', async () => (await local.results()).length > before + 3);
    await delay(Math.random() * 400);
    await worker.kill('SIGKILL');
    worker = local.startWorker();
  }
  const published = (await local.results()).length;
  await until('the last worker publishes', async () => (await local.results()).length > published + 3);
  await local.cluster.stopCameras();

  let last = '';
  await until('both have read everything', async () => {
    const both = JSON.stringify([await checkpoints(), await checkpoints('reference')]);
    const [ours, theirs] = JSON.parse(both);
    const isDone = both === last && JSON.stringify(ours) === JSON.stringify(theirs);
    last = both;
    await delay(1500);
    return isDone;
  });
  const [ours, theirs] = [await local.results(), await local.results('reference')];
  expect(ids(ours)).toEqual(ids(theirs));
  expect(theirs.length).toBe(ids(theirs).length);
  expect(ids(theirs).length).toBeGreaterThan(10);

  // SIGTERM: everything is let go, with the last checkpoint.
  expect(await worker.kill('SIGTERM')).toBe(0);
  expect(await reference.kill('SIGTERM')).toBe(0);
  for (const lease of (await local.leases()).values()) {
    expect(lease).toMatchObject({ leaseOwner: null, checkpoint: { fragmentNumber: expect.any(String) } });
  }
}, 90_000);

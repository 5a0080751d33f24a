import { type Local, startLocal, until } from './local.ts';

const streams = Array.from({ length: 60 }, (_, index) => `camera-${index}`);
let local: Local;

beforeAll(async () => {
  local = await startLocal({ streams, config: { startPosition: 'EARLIEST', inferenceInterval: 3 } });
});

afterAll(async () => {
  await local.close();
});

test('sixty streams are read at once', async () => {
  const worker = local.startWorker();
  await until('every stream has two results', async () => {
    const counts = new Map(streams.map((name) => [name, 0]));
    for (const { streamName } of await local.results())
      counts.set(streamName, (counts.get(streamName) ?? 0) + 1);
    return Math.min(...counts.values()) >= 2;
  });
  expect(await worker.kill('SIGTERM')).toBe(0);
  expect([...(await local.leases()).values()].filter(({ leaseOwner }) => leaseOwner !== null)).toEqual([]);
}, 60_000);

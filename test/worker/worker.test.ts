import { parseConfig } from '../../src/config/parse.ts';
import { systemClock as clock } from '../../src/core/clock.ts';
import { startDynamoDb } from '../../src/emulator/dynamo-db.ts';
import { createClients } from '../../src/worker/clients.ts';
import { Worker } from '../../src/worker/worker.ts';
import { recorded } from '../support/services.ts';

const before = { ...process.env };

afterEach(() => {
  process.env = before;
});

test('a loop that fails by a mistake of ours ends the worker with it', async () => {
  const dynamoDb = await startDynamoDb();
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: dynamoDb.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local-secret',
  });
  const clients = createClients();
  const { log } = recorded(clock);
  const initial = parseConfig('{"streamNames":["a"],"sageMakerEndpoint":"e","kdsStreamName":"k"}');
  if (initial.config === null) throw new Error('not good');
  const health = {
    beat: (loop: string) => {
      if (loop === 'metrics') throw new Error('mistake');
    },
  };
  const onStarted = () => undefined;
  const options = { initial, parameterName: 'app', memoryLimit: 2 ** 30, clients, health, onStarted };
  const worker = new Worker({ ...options, clock, log });
  await expect(worker.run(new AbortController().signal)).rejects.toThrow('mistake');
  clients.destroy();
  await dynamoDb.close();
});

import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { parseConfig } from '../../src/config/parse.ts';
import { systemClock as clock } from '../../src/core/clock.ts';
import { startDynamoDb } from '../../src/emulator/dynamo-db.ts';
import { createClients } from '../../src/worker/clients.ts';
import { Worker, type WorkerOptions } from '../../src/worker/worker.ts';
import { serve } from '../support/http-server.ts';
import { recorded } from '../support/services.ts';

const ARN = 'arn:aws:kinesisvideo:us-east-1:123456789012:stream/front/1700000000000';
const before = { ...process.env };

afterEach(() => {
  process.env = before;
});

async function startWorker(options: { url?: string } & Partial<WorkerOptions>) {
  const { url, ...own } = options;
  const dynamoDb = await startDynamoDb();
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: dynamoDb.url,
    ...(url === undefined ? {} : { AWS_ENDPOINT_URL_KINESIS_VIDEO: url }),
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local-secret',
  });
  const clients = createClients();
  const initial = parseConfig('{"streamNames":["front"],"sageMakerEndpoint":"e","kdsStreamName":"k"}');
  if (initial.config === null) throw new Error('not good');
  const worker = new Worker({
    initial,
    parameterName: 'application',
    memoryLimit: 2 ** 30,
    clients,
    health: { beat: () => undefined },
    onStarted: () => undefined,
    clock,
    log: recorded(clock).log,
    ...own,
  });
  return {
    clients,
    running: worker.run(new AbortController().signal),
    close: async () => {
      clients.destroy();
      await dynamoDb.close();
    },
  };
}

test('a loop that fails by a mistake of ours ends the worker with it', async () => {
  const health = {
    beat: (loop: string) => {
      if (loop === 'metrics') throw new Error('mistake');
    },
  };
  const { running, close } = await startWorker({ health });
  await expect(running).rejects.toThrow('mistake');
  await close();
});

test('a worker that cannot load what decodes hands its leases over, and ends with the reason', async () => {
  const video = await serve(({ path }) => {
    if (path === '/getMedia') return { trouble: 'trickle' };
    const StreamInfo = { StreamName: 'front', StreamARN: ARN, Status: 'ACTIVE', DataRetentionInHours: 24 };
    return {
      body: JSON.stringify(path === '/getDataEndpoint' ? { DataEndpoint: video.url } : { StreamInfo }),
    };
  });
  const loadFramePath = async () => {
    throw new Error('no FFmpeg');
  };
  const { clients, running, close } = await startWorker({ url: video.url, loadFramePath });
  await expect(running).rejects.toThrow('no FFmpeg');
  const { Items = [] } = await clients.dynamoDb.send(new ScanCommand({ TableName: 'application' }));
  const lease = Items.find(({ leaseKey }) => leaseKey?.S === 'front');
  // Taken once, and free again.
  expect(lease).toMatchObject({ leaseOwner: { S: '$free' }, leaseEpoch: { N: '1' } });
  await close();
  await video.close();
});

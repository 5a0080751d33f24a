import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { systemClock } from '../../src/core/clock.ts';
import { Closers } from '../../src/core/closers.ts';
import { createLogger } from '../../src/core/log.ts';
import { startCluster } from '../../src/emulator/cluster.ts';
import { serve } from '../support/http-server.ts';
import { createDataStream, DETECTION, openShortVideo, readResults } from '../support/local-services.ts';
import type { Random } from '../support/random.ts';
import { localClient } from '../support/services.ts';
import { startMediaProxy } from './media-proxy.ts';
import { mediaFrom, startHttpProxy } from './proxy.ts';

/** So that calls are in flight when a worker is killed. */
const ENDPOINT_MILLIS = 25;
export type Services = Awaited<ReturnType<typeof startServices>>;

/** Every service that workers need, cameras that stream into it, and the proxies that do harm. */
export async function startServices(options: {
  streams: readonly string[];
  /** Folder of the bundled program. */
  dist: string;
  random: Random;
  signal: AbortSignal;
}) {
  const { streams, dist, random, signal } = options;
  const closers = new Closers();
  try {
    const sageMaker = closers.add(
      await serve(async () => {
        await delay(ENDPOINT_MILLIS);
        return DETECTION;
      }),
    );
    const source = await openShortVideo();
    const cluster = closers.add(
      await startCluster({
        scripts: { kinesis: join(dist, 'kinesis.js'), model: '' },
        sources: Promise.resolve(streams.map((streamName) => ({ streamName, source }))),
        model: false,
        parserLog: { record: () => undefined, text: () => undefined, error: () => undefined },
        clock: systemClock,
        log: createLogger('silent'),
        signal,
      }),
    );
    const env: Record<string, string> = {
      ...cluster.env,
      AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME: sageMaker.url,
    };
    const url = (name: string) => env[`AWS_ENDPOINT_URL_${name}`] ?? '';
    const proxy = async (name: string, rewrite?: (path: string, body: string) => string) =>
      closers.add(
        await startHttpProxy({ target: url(name), random, ...(rewrite === undefined ? {} : { rewrite }) }),
      );
    const media = closers.add(await startMediaProxy({ target: url('KINESIS_VIDEO'), random }));
    const dynamoDbProxy = await proxy('DYNAMODB');
    const kinesisProxy = await proxy('KINESIS');
    const kinesisVideoProxy = await proxy('KINESIS_VIDEO', mediaFrom(media.url));
    const kinesis = new KinesisClient(localClient(url('KINESIS')));
    const dynamoDb = new DynamoDBClient(localClient(url('DYNAMODB')));
    const ssm = new SSMClient(localClient(url('SSM')));
    closers.defer(async () => {
      for (const client of [kinesis, dynamoDb, ssm]) client.destroy();
    });

    return {
      /** For a worker that nothing happens to. */
      env,
      /** For workers behind the proxies. */
      harmedEnv: {
        ...env,
        AWS_ENDPOINT_URL_DYNAMODB: dynamoDbProxy.url,
        AWS_ENDPOINT_URL_KINESIS: kinesisProxy.url,
        AWS_ENDPOINT_URL_KINESIS_VIDEO: kinesisVideoProxy.url,
      },
      proxies: { DynamoDB: dynamoDbProxy, Kinesis: kinesisProxy, media },
      /** The last fragments are persisted when it resolves. */
      stopCameras: () => cluster.stopCameras(),
      /** Makes the parameter and the data stream of an application of this name. */
      async addApplication(name: string, config: Readonly<Record<string, unknown>>): Promise<void> {
        const Value = JSON.stringify({
          streamNames: streams,
          sageMakerEndpoint: 'detector',
          kdsStreamName: name,
          startPosition: 'EARLIEST',
          ...config,
        });
        await ssm.send(new PutParameterCommand({ Name: name, Value, Type: 'String' }));
        await createDataStream(kinesis, name, signal);
      },
      /** Where each stream's checkpoint is; what an application has none of is left out. */
      async checkpoints(application: string): Promise<Map<string, string>> {
        const { Items = [] } = await dynamoDb.send(
          new ScanCommand({ TableName: application, ConsistentRead: true }),
        );
        const checkpoints = Items.flatMap(({ leaseKey, checkpoint }) =>
          leaseKey?.S !== undefined && streams.includes(leaseKey.S) && checkpoint?.S !== undefined
            ? [[leaseKey.S, checkpoint.S] as const]
            : [],
        );
        return new Map(checkpoints);
      },
      /** The ids of all records in a data stream. */
      resultIds: async (dataStream: string) => (await readResults(kinesis, dataStream)).map(({ id }) => id),
      close: () => closers.close(),
    };
  } catch (error) {
    await closers.close();
    throw error;
  }
}

import { join } from 'node:path';
import { KinesisVideo } from '@aws-sdk/client-kinesis-video';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { systemClock } from '../../src/core/clock.ts';
import { Closers } from '../../src/core/closers.ts';
import { createLogger } from '../../src/core/log.ts';
import { startCamera } from '../../src/emulator/camera/camera.ts';
import { startCluster } from '../../src/emulator/cluster.ts';
import { startMediaProxy } from '../chaos/media-proxy.ts';
import { mediaFrom, startHttpProxy } from '../chaos/proxy.ts';
import { openClip } from '../support/local-services.ts';
import type { Random } from '../support/random.ts';
import { localClient } from '../support/services.ts';
import { startDataStream } from './data-stream.ts';
import { startEndpoint } from './endpoint.ts';

/** A fragment a second with three I-frames. */
const CLIP = { width: 640, height: 360, frames: 30, frameRate: 15, gop: 5 };
/** A minute and a half of six cameras: what an outage lets wait is there, and this process stays small. */
const RETENTION = { bytes: 128 * 2 ** 20 };
/** Its camera stops and comes back. */
const UNSTEADY_STREAM = 'camera-unsteady';

export type Services = Awaited<ReturnType<typeof startServices>>;

/** Every service that workers need, with cameras, behind proxies that do harm. */
export async function startServices(options: {
  streams: number;
  /** Folder of the bundled program. */
  dist: string;
  random: Random;
  signal: AbortSignal;
}) {
  const { dist, random, signal } = options;
  const steady = Array.from({ length: options.streams - 1 }, (_, index) => `camera-${index + 1}`);
  const streams = [...steady, UNSTEADY_STREAM];
  const closers = new Closers();
  try {
    const endpoint = closers.add(await startEndpoint());
    const dataStream = closers.add(await startDataStream());
    const source = await openClip(CLIP);
    const cluster = closers.add(
      await startCluster({
        scripts: { kinesis: join(dist, 'kinesis.js'), model: '' },
        sources: Promise.resolve(steady.map((streamName) => ({ streamName, source }))),
        model: false,
        retention: RETENTION,
        parserLog: { record: () => undefined, text: () => undefined, error: () => undefined },
        clock: systemClock,
        log: createLogger('silent'),
        signal,
      }),
    );
    const url = (name: string) => cluster.env[`AWS_ENDPOINT_URL_${name}`] ?? '';
    const media = closers.add(await startMediaProxy({ target: url('KINESIS_VIDEO'), random }));
    const proxy = async (target: string, rewrite?: (path: string, body: string) => string) =>
      closers.add(await startHttpProxy({ target, random, ...(rewrite === undefined ? {} : { rewrite }) }));
    const dynamoDb = await proxy(url('DYNAMODB'));
    const kinesis = await proxy(dataStream.url);
    const kinesisVideo = await proxy(url('KINESIS_VIDEO'), mediaFrom(media.url));
    const ssm = new SSMClient(localClient(url('SSM')));
    const videoClient = new KinesisVideo(localClient(url('KINESIS_VIDEO')));
    closers.defer(async () => {
      for (const client of [ssm, videoClient]) client.destroy();
    });

    let camera: { stop: () => Promise<void> } | null = null;
    const startUnsteadyCamera = () => {
      const end = new AbortController();
      const { closed } = startCamera({
        api: videoClient,
        streamName: UNSTEADY_STREAM,
        source,
        clock: systemClock,
        log: createLogger('silent'),
        signal: end.signal,
      });
      camera = {
        stop: async () => {
          end.abort();
          await closed;
        },
      };
    };
    const stopUnsteadyCamera = async () => {
      await camera?.stop();
      camera = null;
    };
    cluster.createStream(UNSTEADY_STREAM);
    startUnsteadyCamera();
    closers.defer(stopUnsteadyCamera);

    return {
      streams,
      env: {
        ...cluster.env,
        AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME: endpoint.url,
        AWS_ENDPOINT_URL_DYNAMODB: dynamoDb.url,
        AWS_ENDPOINT_URL_KINESIS: kinesis.url,
        AWS_ENDPOINT_URL_KINESIS_VIDEO: kinesisVideo.url,
      },
      endpoint,
      media,
      proxies: { DynamoDB: dynamoDb, Kinesis: kinesis },
      startUnsteadyCamera,
      stopUnsteadyCamera,
      /** What the parameter of an application says from now on. */
      async configure(application: string, config: object): Promise<void> {
        const Value = JSON.stringify(config);
        await ssm.send(
          new PutParameterCommand({ Name: application, Value, Type: 'String', Overwrite: true }),
        );
      },
      close: () => closers.close(),
    };
  } catch (error) {
    await closers.close();
    throw error;
  }
}

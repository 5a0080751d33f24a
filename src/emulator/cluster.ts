import { setMaxListeners } from 'node:events';
import { CreateStreamCommand, KinesisClient, waitUntilStreamExists } from '@aws-sdk/client-kinesis';
import { KinesisVideo } from '@aws-sdk/client-kinesis-video';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Clock } from '../core/clock.ts';
import { Closers } from '../core/closers.ts';
import type { Logger } from '../core/log.ts';
import { createHandler, type ParserLog } from '../lambda/handler.ts';
import { type Address, LOCAL_ADDRESS, listening, published } from './address.ts';
import { serveAwsJson } from './aws-json.ts';
import { startCamera } from './camera/camera.ts';
import type { NamedSource } from './camera/default-sources.ts';
import { startDynamoDb } from './dynamo-db.ts';
import { EventSource } from './event-source.ts';
import { startKinesisVideo } from './kinesis-video/server.ts';
import type { Retention } from './kinesis-video/streams.ts';
import { Parameters } from './parameters.ts';
import { type ObservedInvocation, startSageMakerRuntime } from './sagemaker-runtime.ts';
import { startServiceProcess } from './service-process.ts';
import { taggingOperations } from './tagging.ts';

export const PARAMETER_NAME = 'kvs-inference-local';
const ENDPOINT_NAME = 'local-detector';
const DATA_STREAM = 'kvs-inference-results';
const REGION = 'us-east-1';

export interface ClusterOptions {
  /** Paths of the bundled child processes. */
  scripts: { kinesis: string; model: string };
  /** What the cameras show; they start when everything else is ready. */
  sources: Promise<readonly NamedSource[]>;
  /** Start the model and the SageMaker runtime before it. */
  model: boolean;
  /** Further keys of the configuration, over those that name the local services. */
  config?: Readonly<Record<string, unknown>>;
  retention?: Partial<Retention>;
  /** Where the services are to be reached; default: from this machine only. */
  address?: Address | undefined;
  parserLog: ParserLog;
  onBatch?: (batch: { succeeded: number; discarded: number }) => void;
  onInvocation?: (invocation: ObservedInvocation) => void;
  clock: Clock;
  log: Logger;
  /** Gives up starting. */
  signal: AbortSignal;
}

export interface Cluster {
  /** Every variable that an unchanged worker needs. */
  readonly env: Readonly<Record<string, string>>;
  readonly parameter: string;
  readonly streams: readonly string[];
  /** Adds a stream, which no camera shows anything to. */
  createStream(name: string): void;
  /** The open connections of a stream. */
  connections(streamName: string): { putMedia: number; getMedia: number };
  /** Ends the cameras: their last fragments are persisted. */
  stopCameras(): Promise<void>;
  /** Hands over what is left in the data stream, then ends everything. */
  close(): Promise<void>;
}

/** Starts every service that a worker needs on this machine, side by side; ends them in reverse. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { clock, log, signal, scripts, address = LOCAL_ADDRESS } = options;
  const closers = new Closers();
  const started = async <T extends { close(): Promise<void> }>(starting: Promise<T>) =>
    closers.add(await starting);
  try {
    const parameters = new Parameters();
    const services = await settled([
      started(
        startKinesisVideo({
          clock,
          retention: options.retention,
          ...listening('kinesis-video', address),
        }),
      ),
      started(startDynamoDb(listening('dynamodb', address))),
      started(
        startServiceProcess({
          script: scripts.kinesis,
          listening: listening('kinesis', address),
          clock,
          signal,
        }),
      ),
      options.model
        ? started(startServiceProcess({ script: scripts.model, args: ['serve'], clock, signal }))
        : null,
      options.sources,
    ]);
    const [kinesisVideo, dynamoDb, kinesis, model, sources] = services;
    for (const { source } of sources) closers.add(source);
    const kinesisVideoUrl = published(kinesisVideo.url, address);
    kinesisVideo.dataEndpoint = kinesisVideoUrl;
    const tagged = () => kinesisVideo.streams().map(({ arn, tags }) => ({ arn, tags }));
    const awsJson = await started(
      serveAwsJson({ ...parameters.operations, ...taggingOperations(tagged) }, listening('ssm', address)),
    );
    const awsJsonUrl = published(awsJson.url, address);
    const runtime =
      model === null
        ? null
        : await started(
            startSageMakerRuntime({
              endpoints: () => [ENDPOINT_NAME],
              containerUrl: model.url,
              onInvocation: options.onInvocation,
              ...listening('sagemaker-runtime', address),
            }),
          );
    const streams = sources.map(({ streamName }) => streamName);
    for (const streamName of streams) kinesisVideo.createStream(streamName);
    parameters.set(
      PARAMETER_NAME,
      JSON.stringify({
        streamNames: streams,
        sageMakerEndpoint: ENDPOINT_NAME,
        kdsStreamName: DATA_STREAM,
        ...options.config,
      }),
    );

    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
    const client = { region: REGION, credentials, requestHandler: new NodeHttpHandler() };
    const kinesisClient = new KinesisClient({ ...client, endpoint: kinesis.url });
    const kinesisVideoClient = new KinesisVideo({ ...client, endpoint: kinesisVideoUrl });
    closers.defer(async () => {
      kinesisClient.destroy();
      kinesisVideoClient.destroy();
    });
    await createDataStream(kinesisClient, signal);

    const stopPolling = new AbortController();
    const polling = new EventSource({
      kinesis: kinesisClient,
      dataStream: DATA_STREAM,
      handler: createHandler({ log: options.parserLog, environment: {} }),
      onBatch: options.onBatch ?? (() => undefined),
      clock,
      log,
    }).run(stopPolling.signal);
    closers.defer(async () => {
      stopPolling.abort();
      await polling;
    });

    const camerasEnd = new AbortController();
    setMaxListeners(0, camerasEnd.signal);
    const cameras = sources.map(({ streamName, source }) =>
      startCamera({ api: kinesisVideoClient, streamName, source, clock, log, signal: camerasEnd.signal }),
    );
    const stopCameras = async () => {
      camerasEnd.abort();
      await Promise.all(cameras.map((camera) => camera.closed));
    };
    closers.defer(stopCameras);

    return {
      env: {
        AWS_REGION: REGION,
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
        AWS_ENDPOINT_URL_KINESIS_VIDEO: kinesisVideoUrl,
        AWS_ENDPOINT_URL_KINESIS: published(kinesis.url, address),
        AWS_ENDPOINT_URL_DYNAMODB: published(dynamoDb.url, address),
        AWS_ENDPOINT_URL_SSM: awsJsonUrl,
        AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API: awsJsonUrl,
        ...(runtime === null ? {} : { AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME: published(runtime.url, address) }),
        CONFIG_PARAMETER: PARAMETER_NAME,
      },
      parameter: PARAMETER_NAME,
      streams,
      createStream: (name) => void kinesisVideo.createStream(name),
      connections: (name) => kinesisVideo.connections(name),
      stopCameras,
      close: () => closers.close(),
    };
  } catch (error) {
    await closers.close();
    throw error;
  }
}

async function createDataStream(kinesis: KinesisClient, signal: AbortSignal): Promise<void> {
  await kinesis.send(new CreateStreamCommand({ StreamName: DATA_STREAM, ShardCount: 1 }), {
    abortSignal: signal,
  });
  const waiter = { client: kinesis, maxWaitTime: 10, minDelay: 1, maxDelay: 1, abortSignal: signal };
  await waitUntilStreamExists(waiter, { StreamName: DATA_STREAM });
}

/** Like Promise.all, but waits for all even if one fails, so that what did start can be ended. */
async function settled<T extends readonly [unknown, ...unknown[]]>(
  values: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const results = await Promise.allSettled(values);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as {
    -readonly [K in keyof T]: Awaited<T[K]>;
  };
}

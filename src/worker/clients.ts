import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { KinesisVideoClient } from '@aws-sdk/client-kinesis-video';
import { KinesisVideoMediaClient } from '@aws-sdk/client-kinesis-video-media';
import { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api';
import type { S3Client } from '@aws-sdk/client-s3';
import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { SSMClient } from '@aws-sdk/client-ssm';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Denial } from './access-denied.ts';
import { watchDenials } from './denial-log.ts';

const CONNECTION_TIMEOUT_MILLIS = 5000;
const REQUEST_TIMEOUT_MILLIS = 30_000;

/**
 * The AWS clients of a worker. Region, credentials and endpoints come from the SDK's own environment variables and
 * files, so a local run differs from Fargate in nothing but `AWS_ENDPOINT_URL_*`.
 *
 * @param onDenied is told of each call that is refused for want of a permission
 */
export function createClients(onDenied: (denial: Denial, error: unknown) => void = () => undefined) {
  const requestHandler = handler({ requestTimeout: REQUEST_TIMEOUT_MILLIS });
  // Our own retries count, log and back off: the SDK tries once.
  const ssm = new SSMClient({ requestHandler, maxAttempts: 1 });
  // Found, and refreshed, once for all of them: by itself each client would ask the container's agent, at its first call.
  const { region, credentials } = ssm.config;
  const own = { region, credentials, maxAttempts: 1 };
  const once = { ...own, requestHandler };
  const clients = {
    ssm,
    dynamoDb: new DynamoDBClient(once),
    // Signs of life do not queue for a socket behind a thousand checkpoints.
    heartbeats: new DynamoDBClient({
      ...own,
      requestHandler: handler({ requestTimeout: REQUEST_TIMEOUT_MILLIS }),
    }),
    kinesisVideo: new KinesisVideoClient(once),
    tagging: new ResourceGroupsTaggingAPIClient(once),
    // HTTP/1.1, as everywhere: the SDK's default for Kinesis is HTTP/2, which local servers do not speak.
    kinesis: new KinesisClient(once),
    // What is called at once is bounded by the queues, and changes with the configuration.
    sageMakerRuntime: new SageMakerRuntimeClient({
      ...own,
      requestHandler: handler({ maxSockets: Number.POSITIVE_INFINITY }),
    }),
    s3: late(async () => {
      const { S3Client } = await import('../result/s3.ts');
      // Bucket names with dots have no certificate as host names.
      const client = new S3Client({ ...once, forcePathStyle: true });
      watchDenials(client, 's3', onDenied);
      return client;
    }),
  };
  watchDenials(clients.ssm, 'ssm', onDenied);
  watchDenials(clients.dynamoDb, 'dynamodb', onDenied);
  watchDenials(clients.heartbeats, 'dynamodb', onDenied);
  watchDenials(clients.kinesisVideo, 'kinesisvideo', onDenied);
  watchDenials(clients.tagging, 'tag', onDenied);
  watchDenials(clients.kinesis, 'kinesis', onDenied);
  watchDenials(clients.sageMakerRuntime, 'sagemaker', onDenied);
  return {
    ...clients,
    // A body lasts up to 45 minutes and there is one per stream: no time-out, no cap on sockets.
    media: (endpoint: string) => {
      const client = new KinesisVideoMediaClient({
        ...own,
        endpoint,
        requestHandler: handler({ maxSockets: Number.POSITIVE_INFINITY, keepAlive: false }),
      });
      watchDenials(client, 'kinesisvideo', onDenied);
      return client;
    },
    destroy: () => {
      for (const client of Object.values(clients)) client.destroy();
    },
  };
}

/** A client that is loaded and made when it is first used: few have a bucket, and its code takes its time to load. */
function late(make: () => Promise<S3Client>): Pick<S3Client, 'send' | 'destroy'> {
  let made: Promise<S3Client> | null = null;
  const send = async (...args: Parameters<S3Client['send']>) => {
    made ??= make();
    return await (await made).send(...args);
  };
  return {
    send: send as S3Client['send'],
    destroy: () =>
      void made?.then(
        (client) => client.destroy(),
        () => undefined,
      ),
  };
}

export type Clients = ReturnType<typeof createClients>;

function handler(options: {
  maxSockets?: number;
  requestTimeout?: number;
  keepAlive?: boolean;
}): NodeHttpHandler {
  const { maxSockets = 50, requestTimeout = 0, keepAlive = true } = options;
  return new NodeHttpHandler({
    connectionTimeout: CONNECTION_TIMEOUT_MILLIS,
    requestTimeout,
    // Without this the SDK only warns. The time is that until the answer's headers.
    throwOnRequestTimeout: requestTimeout > 0,
    // The warning is about a queue for sockets, which for the pool's own sockets cannot build up.
    socketAcquisitionWarningTimeout: 0,
    httpAgent: new HttpAgent({ keepAlive, maxSockets }),
    httpsAgent: new HttpsAgent({ keepAlive, maxSockets }),
  });
}

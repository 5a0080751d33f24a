import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { systemClock } from '../../src/core/clock.ts';
import { LeaseTable } from '../../src/lease/table.ts';
import { setUpTable } from '../../src/lease/table-setup.ts';
import { listenOnLoopback } from '../../test/support/loopback.ts';
import { answered, InstantDynamoDb } from './dynamo-db.ts';

/** What a worker finds: the lease of its stream, the table without that lease, or no table. */
export type Found = 'lease' | 'table' | 'nothing';

export interface Arrival {
  readonly request: string;
  /** By the machine's monotonic clock, which processes share. */
  readonly atNanos: bigint;
}

const STREAM = 'camera';
const STREAM_ARN = `arn:aws:kinesisvideo:us-east-1:123456789012:stream/${STREAM}/1700000000000`;

/** Every service that a worker needs until its first GetMedia request, on one port. All of them answer at once. */
export async function startServices(signal: AbortSignal) {
  const dynamoDb = new InstantDynamoDb();
  let arrivals: Arrival[] = [];
  let onMedia: () => void = () => undefined;
  let url = '';
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const operation = operationOf(request);
    arrivals.push({ request: operation, atNanos: process.hrtime.bigint() });
    if (operation === 'GetMedia') onMedia();
    const input = (await json(request)) as object;
    const { status, body } = answered(() => perform(operation, input));
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(body));
  };
  const perform = (operation: string, input: object): object => {
    switch (operation) {
      case 'GetParameter':
        return { Parameter: { Name: 'any', Type: 'String', Version: 1, Value: JSON.stringify(CONFIG) } };
      case 'DescribeStream':
        return { StreamInfo: { StreamName: STREAM, StreamARN: STREAM_ARN, Status: 'ACTIVE' } };
      case 'GetDataEndpoint':
        return { DataEndpoint: url };
      case 'GetMedia':
        return {};
      default:
        return dynamoDb.perform(operation, input);
    }
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  const listening = await listenOnLoopback(server);
  url = listening.url;
  return {
    /** For a worker. */
    env: {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_ENDPOINT_URL: url,
    },
    /** Makes what a worker of that application is to find. */
    async prepare(applicationName: string, found: Found): Promise<void> {
      if (found === 'nothing') return;
      const table = { dynamoDb: dynamoDb.client(), tableName: applicationName, requestTimeoutMillis: 1000 };
      const common = { ...table, applicationName, clock: systemClock, onTrouble: () => undefined };
      const client = await setUpTable({ ...common, create: true }, signal);
      if (found === 'table') return;
      const leases = new LeaseTable({ client, onInvalid: () => undefined });
      await leases.create(STREAM, STREAM_ARN, { type: 'EARLIEST' }, signal);
    },
    /** @returns all requests up to and with the first GetMedia, from now on */
    async untilMedia(): Promise<readonly Arrival[]> {
      arrivals = [];
      await new Promise<void>((resolve) => {
        onMedia = resolve;
      });
      return arrivals.slice();
    },
    close: listening.close,
  };
}

const CONFIG = { streamNames: [STREAM], sageMakerEndpoint: 'detector', kdsStreamName: 'results' };

/** Operations of the JSON protocols are named in a header, those of Kinesis Video Streams by the path. */
function operationOf({ headers, url = '' }: IncomingMessage): string {
  const target = headers['x-amz-target'];
  if (typeof target === 'string') return target.split('.').at(-1) ?? target;
  const name = url.slice(1);
  return name.charAt(0).toUpperCase() + name.slice(1);
}

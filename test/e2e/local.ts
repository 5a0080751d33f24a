import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import {
  CreateStreamCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  waitUntilStreamExists,
} from '@aws-sdk/client-kinesis';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { systemClock } from '../../src/core/clock.ts';
import { createLogger } from '../../src/core/log.ts';
import { openVideoSource } from '../../src/emulator/camera/open-video-source.ts';
import { type Cluster, startCluster } from '../../src/emulator/cluster.ts';
import { isStreamLease } from '../../src/lease/keys.ts';
import { parseLease } from '../../src/lease/lease.ts';
import type { ResultRecord } from '../../src/result/record.ts';
import { type Answer, type ReceivedRequest, serve } from '../support/http-server.ts';
import { makeVideo } from '../support/media.ts';
import { localClient } from '../support/services.ts';

/** Built by scripts/test.mjs before the tests run. */
export const dist = (name: string) => fileURLToPath(new URL(`../../dist/${name}.js`, import.meta.url));

const DETECTION: Answer = {
  headers: { 'content-type': 'application/json' },
  body: '{"prediction":[[0,0.9,0.1,0.1,0.5,0.5]]}',
};

export interface LocalOptions {
  streams: string[];
  config?: Record<string, unknown>;
  /** What SageMaker answers; a person by default. */
  endpoint?: (request: ReceivedRequest, count: number) => Answer | Promise<Answer>;
}

export type Local = Awaited<ReturnType<typeof startLocal>>;

/** Every service that a worker needs, with cameras and an endpoint of the test's own. */
export async function startLocal({ streams, config = {}, endpoint = () => DETECTION }: LocalOptions) {
  const directory = await mkdtemp(join(tmpdir(), 'kvs-inference-test-'));
  const file = join(directory, 'clip.mkv');
  const { bytes } = await makeVideo({ width: 64, height: 64, frames: 30, frameRate: 15, gop: 5 });
  await writeFile(file, bytes);
  const source = await openVideoSource(file);
  await rm(directory, { recursive: true });
  const sageMaker = await serve(endpoint);
  const cluster: Cluster = await startCluster({
    scripts: { kinesis: dist('kinesis'), model: dist('model-server') },
    sources: Promise.resolve(streams.map((streamName) => ({ streamName, source }))),
    model: false,
    config,
    parserLog: { record: () => undefined, text: () => undefined, error: () => undefined },
    clock: systemClock,
    log: createLogger('silent'),
    signal: new AbortController().signal,
  });
  const env: Record<string, string> = {
    ...cluster.env,
    AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME: sageMaker.url,
  };
  const url = (name: string) => localClient(env[name] ?? '');
  const kinesis = new KinesisClient(url('AWS_ENDPOINT_URL_KINESIS'));
  const dynamoDb = new DynamoDBClient(url('AWS_ENDPOINT_URL_DYNAMODB'));
  const ssm = new SSMClient(url('AWS_ENDPOINT_URL_SSM'));
  const workers: WorkerUnderTest[] = [];

  return {
    env,
    cluster,
    sageMaker,
    /** Starts a worker in a process of its own. */
    startWorker(variables: Record<string, string> = {}): WorkerUnderTest {
      const worker = startWorker({ ...env, ...variables });
      workers.push(worker);
      return worker;
    },
    async putParameter(name: string, value: unknown): Promise<void> {
      await ssm.send(
        new PutParameterCommand({
          Name: name,
          Value: JSON.stringify(value),
          Overwrite: true,
          Type: 'String',
        }),
      );
    },
    async createDataStream(name: string): Promise<void> {
      await kinesis.send(new CreateStreamCommand({ StreamName: name, ShardCount: 1 }));
      await waitUntilStreamExists(
        { client: kinesis, maxWaitTime: 10, minDelay: 1, maxDelay: 1 },
        { StreamName: name },
      );
    },
    /** Everything in a data stream. */
    async results(dataStream = 'kvs-inference-results'): Promise<ResultRecord[]> {
      return await readAll(kinesis, dataStream);
    },
    /** The leases of a table, by stream. */
    async leases(tableName = cluster.parameter) {
      const { Items = [] } = await dynamoDb.send(
        new ScanCommand({ TableName: tableName, ConsistentRead: true }),
      );
      const leases = Items.filter((item) => isStreamLease(item['leaseKey']?.S ?? '')).map(parseLease);
      return new Map(leases.map((lease) => [lease.leaseKey, lease]));
    },
    async close(): Promise<void> {
      await Promise.all(workers.map((worker) => worker.kill('SIGKILL')));
      await cluster.close();
      await sageMaker.close();
      for (const client of [kinesis, dynamoDb, ssm]) client.destroy();
    },
  };
}

export interface WorkerUnderTest {
  /** Its log. */
  lines: Array<Record<string, unknown>>;
  stderr: () => string;
  ended: Promise<number | null>;
  /** Sends the signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

function startWorker(env: Record<string, string>): WorkerUnderTest {
  const child = spawn(process.execPath, [dist('main'), 'worker'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: Array<Record<string, unknown>> = [];
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return {
    lines,
    stderr: () => stderr,
    ended,
    kill: async (signal) => {
      child.kill(signal);
      return await ended;
    },
  };
}

async function readAll(kinesis: KinesisClient, StreamName: string): Promise<ResultRecord[]> {
  const results: ResultRecord[] = [];
  const { Shards = [] } = await kinesis.send(new ListShardsCommand({ StreamName }));
  for (const { ShardId } of Shards) {
    const from = { StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' } as const;
    let { ShardIterator } = await kinesis.send(new GetShardIteratorCommand(from));
    while (ShardIterator !== undefined) {
      const { Records = [], NextShardIterator } = await kinesis.send(
        new GetRecordsCommand({ ShardIterator }),
      );
      if (Records.length === 0) break;
      for (const { Data } of Records) results.push(JSON.parse(Buffer.from(Data ?? []).toString()));
      ShardIterator = NextShardIterator;
    }
  }
  return results;
}

/** Asks until the answer is true. @throws {Error} after the limit */
export async function until(what: string, condition: () => boolean | Promise<boolean>, limitMillis = 30_000) {
  for (const end = Date.now() + limitMillis; !(await condition()); ) {
    if (Date.now() > end) throw new Error(`not within ${limitMillis} ms: ${what}`);
    await delay(50);
  }
}

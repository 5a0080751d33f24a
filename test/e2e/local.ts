import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { KinesisVideo } from '@aws-sdk/client-kinesis-video';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { systemClock } from '../../src/core/clock.ts';
import { errorName } from '../../src/core/errors.ts';
import { createLogger } from '../../src/core/log.ts';
import type { MetricName } from '../../src/core/metric-names.ts';
import { type Cluster, startCluster } from '../../src/emulator/cluster.ts';
import { isStreamLease, SYNC_LEASE_KEY } from '../../src/lease/keys.ts';
import { type Lease, type LeaseItem, parseLease } from '../../src/lease/lease.ts';
import type { ResultRecord } from '../../src/result/record.ts';
import { type Answer, type ReceivedRequest, serve } from '../support/http-server.ts';
import { createDataStream, DETECTION, openShortVideo, readResults } from '../support/local-services.ts';
import { localClient } from '../support/services.ts';

/** Built by scripts/test.mjs before the tests run. */
const DIST = fileURLToPath(new URL('../../dist', import.meta.url));
export const dist = (name: string, folder = DIST) => join(folder, `${name}.js`);

export interface LocalOptions {
  streams: string[];
  config?: Record<string, unknown>;
  /** What SageMaker answers; a person by default. */
  endpoint?: (request: ReceivedRequest, count: number) => Answer | Promise<Answer>;
  /** Folder of the bundled program, for who is bundled too. */
  distFolder?: string;
}

export type Local = Awaited<ReturnType<typeof startLocal>>;

/** A parameter, a lease table and a data stream, all of one name, and the workers that share them. */
export interface Application {
  readonly name: string;
  /** What the parameter says. */
  readonly config: Readonly<Record<string, unknown>>;
  startWorker(variables?: Record<string, string>): WorkerUnderTest;
  results(): Promise<ResultRecord[]>;
  leases(): Promise<Map<string, Lease>>;
  /** Who has the lease for synchronization. */
  syncHolder(): Promise<string | null>;
}

/** Every service that a worker needs, with cameras and an endpoint of the test's own. */
export async function startLocal({
  streams,
  config = {},
  endpoint = () => DETECTION,
  distFolder,
}: LocalOptions) {
  const source = await openShortVideo();
  const sageMaker = await serve(endpoint);
  const cluster: Cluster = await startCluster({
    scripts: { kinesis: dist('kinesis', distFolder), model: dist('model-server', distFolder) },
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
  // No more than five data streams can be created at once: the others try again.
  const kinesis = new KinesisClient({ ...url('AWS_ENDPOINT_URL_KINESIS'), maxAttempts: 10 });
  const dynamoDb = new DynamoDBClient(url('AWS_ENDPOINT_URL_DYNAMODB'));
  const ssm = new SSMClient(url('AWS_ENDPOINT_URL_SSM'));
  const kinesisVideo = new KinesisVideo(url('AWS_ENDPOINT_URL_KINESIS_VIDEO'));
  const workers: WorkerUnderTest[] = [];

  const local = {
    env,
    cluster,
    sageMaker,
    dynamoDb,
    kinesisVideo,
    /** Adds an application over all streams from their start on, which its configuration can change. */
    async addApplication(name: string, more: Record<string, unknown> = {}): Promise<Application> {
      const application = { sageMakerEndpoint: 'local-detector', kdsStreamName: name };
      const appConfig = { streamNames: streams, startPosition: 'EARLIEST', ...application, ...more };
      await Promise.all([local.putParameter(name, appConfig), local.createDataStream(name)]);
      return {
        name,
        config: appConfig,
        startWorker: (variables) => local.startWorker({ CONFIG_PARAMETER: name, ...variables }),
        results: () => local.results(name),
        leases: () => local.leases(name),
        async syncHolder() {
          const items = await readItems(dynamoDb, name);
          const item = items.find(({ leaseKey }) => leaseKey?.S === SYNC_LEASE_KEY);
          return item === undefined ? null : parseLease(item).leaseOwner;
        },
      };
    },
    /** Starts a worker in a process of its own. */
    startWorker(variables: Record<string, string> = {}): WorkerUnderTest {
      const worker = startWorker({ ...env, ...variables }, dist('main', distFolder));
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
      await createDataStream(kinesis, name);
    },
    /** Everything in a data stream. */
    async results(dataStream = 'kvs-inference-results'): Promise<ResultRecord[]> {
      return await readResults(kinesis, dataStream);
    },
    /** The leases of a table, by stream. */
    async leases(tableName = cluster.parameter) {
      const items = await readItems(dynamoDb, tableName);
      const leases = items.filter((item) => isStreamLease(item['leaseKey']?.S ?? '')).map(parseLease);
      return new Map(leases.map((lease) => [lease.leaseKey, lease]));
    },
    async close(): Promise<void> {
      await Promise.all(workers.map((worker) => worker.kill('SIGKILL')));
      await cluster.close();
      await sageMaker.close();
      for (const client of [kinesis, dynamoDb, ssm, kinesisVideo]) client.destroy();
    },
  };
  return local;
}

/**
 * What was published of an application up to its checkpoints, and what an undisturbed worker over the same fragments
 * publishes up to there, with a table and a data stream of its own. Different ids, in order.
 */
export async function compareWithReference(local: Local, application: Application) {
  const ends = await application.leases();
  const reference = await local.addApplication(`${application.name}-reference`, {
    ...application.config,
    kdsStreamName: `${application.name}-reference`,
  });
  const worker = reference.startWorker();
  await untilReached(reference, ends);
  if ((await worker.kill('SIGTERM')) !== 0) throw new Error(`the reference failed: ${worker.failure()}`);
  const [ours, theirs] = [await resultsUpTo(application, ends), await resultsUpTo(reference, ends)];
  return { ours: idsOf(ours), reference: idsOf(theirs) };
}

/** Until the checkpoints have passed those of these leases. */
export async function untilReached({ name, leases }: Application, ends: ReadonlyMap<string, Lease>) {
  await until(`${name} has read as far`, async () => {
    const reached = await leases();
    return [...ends].every(([streamName, end]) => position(reached.get(streamName)) >= position(end));
  });
}

/** Until everything that the streams took before is done. */
export async function untilDone({ name, leases }: Application, millis: number, limitMillis?: number) {
  const isDone = async () =>
    [...(await leases()).values()].every(
      ({ checkpoint }) => (checkpoint?.serverTimestampMillis ?? 0) >= millis,
    );
  await until(`the checkpoints of ${name} have passed`, isDone, limitMillis);
}

/** What was published of the fragments up to the checkpoints of these leases. */
export async function resultsUpTo(application: Application, ends: ReadonlyMap<string, Lease>) {
  const isDone = ({ streamName, fragmentNumber }: ResultRecord) =>
    BigInt(fragmentNumber) <= position(ends.get(streamName));
  return (await application.results()).filter(isDone);
}

/** Each once, in order. */
export function idsOf(results: readonly ResultRecord[]): string[] {
  return [...new Set(results.map(({ id }) => id))].sort();
}

function position(lease: Lease | undefined): bigint {
  return BigInt(lease?.checkpoint?.fragmentNumber ?? 0);
}

export interface WorkerUnderTest {
  readonly pid: number | undefined;
  /** Its log. */
  lines: Array<Record<string, unknown>>;
  /** Those of its lines that say this. */
  said(message: string): Array<Record<string, unknown>>;
  /** The sum of a count over all metrics that it has written. */
  counted(metric: MetricName): number;
  /** The values of a distribution, in all of them. */
  observed(metric: MetricName): number[];
  /** Fresh in each process; null before it has read its parameter. */
  id(): string | null;
  /** Why it could not go on; what it has written to standard error, where its log does not say it. */
  failure: () => string;
  ended: Promise<number | null>;
  send(signal: NodeJS.Signals): void;
  /** Sends the signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

function startWorker(env: Record<string, string>, script: string): WorkerUnderTest {
  const child = spawn(process.execPath, [script, 'worker'], {
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
  const said = (message: string) => lines.filter(({ msg }) => String(msg).includes(message));
  /** Its metrics, those alone that have no other dimension. */
  const ofApplication = () =>
    said('metrics').filter((line) => line['StreamName'] === undefined && line['Error'] === undefined);
  return {
    pid: child.pid,
    lines,
    said,
    counted: (metric) => ofApplication().reduce((sum, line) => sum + Number(line[metric] ?? 0), 0),
    observed: (metric) => ofApplication().flatMap((line) => (line[metric] as number[] | undefined) ?? []),
    id: () => (said('worker started')[0]?.['workerId'] as string | undefined) ?? null,
    send: (signal) => void child.kill(signal),
    failure: () => String(lines.find(({ level }) => level === 'fatal')?.['msg'] ?? stderr),
    ended,
    kill: async (signal) => {
      child.kill(signal);
      return await ended;
    },
  };
}

/** A table that is not there yet has none. */
async function readItems(dynamoDb: DynamoDBClient, TableName: string): Promise<LeaseItem[]> {
  try {
    return (await dynamoDb.send(new ScanCommand({ TableName, ConsistentRead: true }))).Items ?? [];
  } catch (error) {
    if (errorName(error) === 'ResourceNotFoundException') return [];
    throw error;
  }
}

/** Asks until the answer is true. @throws {Error} after the limit */
export async function until(what: string, condition: () => boolean | Promise<boolean>, limitMillis = 30_000) {
  for (const end = Date.now() + limitMillis; ; ) {
    const askedAt = Date.now();
    if (await condition()) return;
    if (Date.now() > end) throw new Error(`not within ${limitMillis} ms: ${what}`);
    // Where answers take long, as many ask, most of the time is left to those who do the work.
    await delay(Math.min(500, Math.max(50, 4 * (Date.now() - askedAt))));
  }
}

import { atLeast, type BenchCase, type CaseOptions, type CaseResult } from '../harness/bench-case.ts';
import { inChild, ownUsage } from '../harness/child.ts';
import { IMAGE_ENVIRONMENT, IMAGE_NODE_FLAGS } from '../harness/image.ts';
import { measured, ratio } from '../harness/measured.ts';
import { alternate } from '../harness/rounds.ts';
import type { PublishOptions, PublishResult } from './contestant.ts';
import { startDataStream } from './data-stream.ts';
import { frameOf, recordOf, STREAMS } from './results.ts';

const OURS = 'kvs-inference';
const BUILT = 'kvs-inference, records built before';
const BARE = 'PutRecords, 4 at once';
const BARE_ALONE = 'PutRecords, 1 at once';
/** As many as the shipped publisher makes at once. */
const REQUESTS = 4;

export const publish: BenchCase = {
  name: 'publish',
  description: 'results into the data stream; beside PutRecords with full batches that are ready',
  async run(options) {
    const dataStream = await startDataStream();
    try {
      return await measure(dataStream, options);
    } finally {
      await dataStream.close();
    }
  },
};

type DataStream = Awaited<ReturnType<typeof startDataStream>>;

/** Of one run. */
interface Run extends PublishResult {
  readonly perRequest: number;
  /** Part of the time that the data stream's process was busy. */
  readonly serverBusy: number;
}

async function measure(dataStream: DataStream, options: CaseOptions): Promise<CaseResult> {
  const env = {
    ...IMAGE_ENVIRONMENT,
    AWS_ENDPOINT_URL_KINESIS: dataStream.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  };
  const run = async (contestant: PublishOptions['contestant'], requests: number): Promise<Run> => {
    const seconds = options.quick ? 0.5 : 6;
    dataStream.take();
    const { cpuSeconds } = ownUsage();
    const childOptions: PublishOptions = { contestant, requests, seconds };
    const result = await inChild<PublishResult>('publish', childOptions, {
      signal: options.signal,
      env,
      nodeFlags: IMAGE_NODE_FLAGS,
    });
    const arrived = dataStream.take();
    const serverBusy = ((ownUsage().cpuSeconds - cpuSeconds) / arrived.records) * result.perSecond;
    if (arrived.records !== result.records) {
      throw new Error(`${contestant}: ${result.records} records published, ${arrived.records} arrived`);
    }
    return { ...result, perRequest: arrived.records / arrived.requests, serverBusy };
  };
  const all = await alternate<string, Run>(
    {
      [OURS]: () => run('ours', REQUESTS),
      [BUILT]: () => run('built', REQUESTS),
      [BARE]: () => run('bare', REQUESTS),
      [BARE_ALONE]: () => run('bare', 1),
    },
    options,
  );
  const figure = (name: string, of: (run: Run) => number) => measured((all[name] ?? []).map(of));
  const perCpuSecond = (name: string) => figure(name, (one) => one.perCpuSecond);
  const perSecond = (name: string) => figure(name, (one) => one.perSecond);
  return {
    tables: [
      {
        caption: `records of ${recordOf(frameOf(0)).Data.length} bytes from ${STREAMS} streams, always more waiting than a request takes`,
        columns: [
          { title: 'client' },
          { title: 'records per CPU second', digits: 0 },
          { title: 'records per second', digits: 0 },
          { title: 'records per request', digits: 0 },
          { title: 'data stream busy' },
        ],
        rows: [OURS, BUILT, BARE, BARE_ALONE].map((name) => [
          name,
          perCpuSecond(name),
          perSecond(name),
          figure(name, (one) => one.perRequest),
          figure(name, (one) => one.serverBusy),
        ]),
      },
    ],
    targets: [OURS, BUILT].flatMap((name) => [
      atLeast(0.9, `${name}, of PutRecords, per CPU second`, ratio(perCpuSecond(name), perCpuSecond(BARE))),
      atLeast(0.9, `${name}, of PutRecords, per second`, ratio(perSecond(name), perSecond(BARE))),
    ]),
    notes: [
      "The data stream is a server in another process that answers at once and does no more than count. Ours begins with the endpoint's answer, and builds each record; in the other three lines records are built once, before they are measured.",
    ],
  };
}

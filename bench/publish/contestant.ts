import { setTimeout as delay } from 'node:timers/promises';
import { PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { systemClock as clock } from '../../src/core/clock.ts';
import { createLogger } from '../../src/core/log.ts';
import { Metrics } from '../../src/core/metrics.ts';
import { encodedRecord, resultRecord } from '../../src/result/build.ts';
import { ResultPublisher } from '../../src/result/publisher.ts';
import { ResultWriter } from '../../src/result/writer.ts';
import { createClients } from '../../src/worker/clients.ts';
import { ownUsage } from '../harness/child.ts';
import { frameOf, OUTCOME, recordOf } from './results.ts';

export interface PublishOptions {
  /** `built` is ours with records that are built once, as those of the bare one are. */
  readonly contestant: 'ours' | 'built' | 'bare';
  /** Of the bare one, requests at once. */
  readonly requests: number;
  /** That are measured; before that comes half as long for the code to be compiled. */
  readonly seconds: number;
}

export interface PublishResult {
  readonly perCpuSecond: number;
  readonly perSecond: number;
  /** All that the data stream has taken, from the beginning on. */
  readonly records: number;
}

const BATCH = 500;
/** Results that wait at any time: there are always enough for the next requests. */
const WAITING = 6 * BATCH;
const NAME = 'results';

/** Puts results into the data stream, as many as it takes. */
export async function run({ contestant, requests, seconds }: PublishOptions): Promise<PublishResult> {
  const clients = createClients();
  const end = new AbortController();
  let records = 0;
  const published = (count: number) => {
    records += count;
  };
  const work =
    contestant === 'bare'
      ? putBatches(clients, requests, published, end.signal)
      : writeResults(clients, contestant === 'built', published, end.signal);
  await delay((seconds / 2) * 1000);
  const before = { records, at: performance.now(), ...ownUsage() };
  await delay(seconds * 1000);
  const after = { records, at: performance.now(), ...ownUsage() };
  end.abort();
  await work;
  clients.destroy();
  const measured = after.records - before.records;
  return {
    perCpuSecond: measured / (after.cpuSeconds - before.cpuSeconds),
    perSecond: (measured / (after.at - before.at)) * 1000,
    records,
  };
}

type Clients = ReturnType<typeof createClients>;

/** The shipped way, from the endpoint's answer on, or from the record on. */
async function writeResults(
  { kinesis, s3 }: Clients,
  isBuilt: boolean,
  published: (count: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const log = createLogger('silent');
  const metrics = new Metrics({ log, clock, appName: 'bench', perStream: () => false });
  const config = () => ({ kdsStreamName: NAME, maxRecordBytes: 2 ** 20 });
  const common = { config, clock, log, metrics };
  const publisher = new ResultPublisher({ ...common, kinesis });
  const writer = new ResultWriter({ ...common, publisher, s3, applicationName: 'bench' });
  const againAndAgain = async (write: () => Promise<void>) => {
    while (!signal.aborted) {
      await write();
      published(1);
    }
  };
  const writing = Array.from({ length: WAITING }, (_, index) => {
    const frame = frameOf(index);
    if (!isBuilt) return againAndAgain(() => writer.write(frame, OUTCOME));
    const record = encodedRecord(resultRecord(frame, OUTCOME), OUTCOME.answer.body);
    return againAndAgain(() => publisher.publish(record, frame.tenure));
  });
  await Promise.all(writing);
}

/** PutRecords with batches that are ready. */
async function putBatches(
  { kinesis }: Clients,
  requests: number,
  published: (count: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const batches = Array.from({ length: requests }, (_, batch) =>
    Array.from({ length: BATCH }, (__, index) => recordOf(frameOf(batch * BATCH + index))),
  );
  const putAgainAndAgain = async (Records: ReturnType<typeof recordOf>[]) => {
    while (!signal.aborted) {
      await kinesis.send(new PutRecordsCommand({ StreamName: NAME, Records }));
      published(Records.length);
    }
  };
  await Promise.all(batches.map(putAgainAndAgain));
}

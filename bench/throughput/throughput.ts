import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../test/e2e/local.ts';
import { atLeast, type BenchCase, type CaseOptions, type CaseResult } from '../harness/bench-case.ts';
import { inChild, ownUsage } from '../harness/child.ts';
import { IN_IMAGE } from '../harness/image.ts';
import { measured, ratio } from '../harness/measured.ts';
import { cpuSecondsOf } from '../harness/process-usage.ts';
import { alternate } from '../harness/rounds.ts';
import type { BareClientOptions } from './bare-client.ts';
import type { DecoderOptions, DecoderResult } from './decoder.ts';
import { HEIGHT, SERVICE_MILLIS, type Services, startServices, WIDTH } from './services.ts';
import { startWorker } from './worker.ts';

/** Calls at once. */
const POOL = 20;
const STREAMS = 4;

export const throughput: BenchCase = {
  name: 'throughput',
  description: `small pictures of every I-frame to an endpoint that takes ${SERVICE_MILLIS} ms; beside a client that only calls it, and the decoder alone`,
  needsLinux: true,
  async run(options) {
    const services = await startServices();
    try {
      return await measure(services, options);
    } finally {
      await services.close();
    }
  },
};

/** How long is waited before anything is measured, and how long is measured, seconds. */
interface Window {
  readonly settling: number;
  readonly measured: number;
}

async function measure(services: Services, options: CaseOptions): Promise<CaseResult> {
  const window = options.quick ? { settling: 0.5, measured: 1 } : { settling: 8, measured: 12 };
  const { codecPrivate, payload } = services.keyFrame;
  const keyFrame: Omit<DecoderOptions, 'pictures'> = {
    codecPrivate: codecPrivate.toString('base64'),
    payload: payload.toString('base64'),
  };
  const runDecoder = async (pictures: number) => {
    const inImage = { ...options, ...IN_IMAGE };
    return await inChild<DecoderResult>('throughput-decoder', { ...keyFrame, pictures }, inImage);
  };
  const { pictureBytes } = await runDecoder(1);
  const decoderCapacity = async () =>
    (1000 * availableParallelism()) / (await runDecoder(options.quick ? 20 : 1000)).cpuMillis;
  const all = await alternate<string, number[]>(
    {
      worker: () => runWorker(services, window, options.signal),
      client: async () => [await runClient(services, pictureBytes, window, options.signal)],
      decoder: async () => [await decoderCapacity()],
    },
    options,
  );
  const figure = (name: string, index = 0) =>
    measured((all[name] ?? []).map((run) => run[index] ?? Number.NaN));
  const [worker, client, decoder] = [figure('worker'), figure('client'), figure('decoder')];
  const capacity = client.median < decoder.median ? client : decoder;
  return {
    tables: [
      {
        caption: `pictures of ${WIDTH} x ${HEIGHT}, key frames of ${payload.length} bytes, JPEG of ${pictureBytes}; ${POOL} calls at once, ${STREAMS} streams`,
        columns: [
          { title: '' },
          { title: 'calls per second', digits: 1 },
          { title: 'of that client' },
          { title: 'of the decoder' },
          { title: 'CPU per call, ms' },
          { title: 'vCPU of the services' },
        ],
        rows: [
          [
            'kvs-inference',
            worker,
            ratio(worker, client),
            ratio(worker, decoder),
            figure('worker', 1),
            figure('worker', 2),
          ],
          ['a client that only calls', client, null, null, null, null],
          [`decoder, ${availableParallelism()} cores`, decoder, null, null, null, null],
        ],
      },
    ],
    targets: [
      atLeast(
        0.95,
        capacity === client ? 'of a client that only calls' : 'of the decoder',
        ratio(worker, capacity),
      ),
    ],
    notes: [
      `The worker is a process of its own as its image runs it, from GetMedia of a backlog, which comes as fast as it is read, to PutRecords. Calls are counted by the endpoint, which answers each ${SERVICE_MILLIS} ms after it has come: ${(1000 * POOL) / SERVICE_MILLIS} a second at most.`,
    ],
  };
}

/** @returns calls per second, CPU milliseconds for each, and the CPU seconds that the services take in each second */
async function runWorker(services: Services, window: Window, signal: AbortSignal): Promise<number[]> {
  const { answered, dataStream, env, local } = services;
  const name = `throughput-${performance.now().toFixed(0)}`;
  const streamNames = Array.from({ length: STREAMS }, (_, index) => `${name}-${index + 1}`);
  for (const streamName of streamNames) local.cluster.createStream(streamName);
  await local.putParameter(name, {
    streamNames,
    startPosition: 'EARLIEST',
    inferenceInterval: 1,
    sageMakerEndpoint: 'local-detector',
    sageMakerTaskThreadPoolSize: POOL,
    kdsStreamName: name,
  });
  dataStream.take();
  const before = answered();
  const worker = startWorker({ ...local.env, ...env, CONFIG_PARAMETER: name });
  try {
    const isAsked = () => {
      signal.throwIfAborted();
      worker.throwIfEnded();
      return answered() > before;
    };
    await until('the endpoint is asked', isAsked, 60_000);
    await delay(window.settling * 1000, undefined, { signal });
    const used = () => ({ worker: cpuSecondsOf(worker.pid), services: ownUsage().cpuSeconds });
    const usedBefore = used();
    const { calls, seconds } = await countCalls(services, window, signal);
    const usedAfter = used();
    await worker.end();
    const [asked, published] = [answered() - before, dataStream.take().records];
    if (asked !== published) throw new Error(`${asked} calls answered, ${published} results published`);
    return [
      calls / seconds,
      (1000 * (usedAfter.worker - usedBefore.worker)) / calls,
      (usedAfter.services - usedBefore.services) / seconds,
    ];
  } finally {
    await worker.kill();
  }
}

/** @returns calls per second */
async function runClient(
  services: Services,
  bodyBytes: number,
  window: Window,
  signal: AbortSignal,
): Promise<number> {
  const options: BareClientOptions = {
    url: services.endpointUrl,
    calls: POOL,
    bodyBytes,
    seconds: 2 + window.measured,
  };
  const before = services.answered();
  const client = inChild('throughput-client', options, { signal });
  // Awaited at the end: until then an interruption is told by what is awaited here.
  client.catch(() => undefined);
  await until('the endpoint is asked', () => services.answered() > before);
  await delay(500, undefined, { signal });
  const { calls, seconds } = await countCalls(services, window, signal);
  await client;
  return calls / seconds;
}

async function countCalls({ answered }: Services, window: Window, signal: AbortSignal) {
  const [before, startedAt] = [answered(), performance.now()];
  await delay(window.measured * 1000, undefined, { signal });
  return { calls: answered() - before, seconds: (performance.now() - startedAt) / 1000 };
}

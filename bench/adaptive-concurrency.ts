import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { Command, Option } from 'commander';
import { systemClock } from '../src/core/clock.ts';
import { createLogger } from '../src/core/log.ts';
import { Metrics } from '../src/core/metrics.ts';
import { ADAPTATION, type Adaptation } from '../src/inference/concurrency-limit.ts';
import { SageMakerEndpoint } from '../src/inference/endpoint.ts';
import { EndpointControl } from '../src/inference/endpoint-control.ts';
import { askAbout, roomyQueue } from '../test/inference/ask-about.ts';
import { awsError, serve } from '../test/support/http-server.ts';
import { localClient } from '../test/support/services.ts';

/*
 * How an endpoint fares that takes eight calls at a time and throttles the rest, with different factors and steps of
 * the concurrency limit: the shipped limit, control and SageMaker client, over HTTP on loopback, with frames always
 * waiting. Measured at the server from the thirtieth second on, as shares.
 */

const CAPACITY = 8;
const SETTLING_MILLIS = 30_000;
const FACTORS = [0.5, 0.7, 0.8, 0.9, 0.95];
const STEPS = [0.125, 0.25, 0.5, 1];
const POOLS = [20, 100];
/** Milliseconds that the model takes, how long is measured, and how many runs go side by side on two cores. */
const SERVICES = [
  { millis: 20, measuredMillis: 10_000, together: 1 },
  { millis: 200, measuredMillis: 60_000, together: 5 },
  { millis: 2000, measuredMillis: 180_000, together: 20 },
];
/** The model takes as much more or less. */
const SPREAD = 0.2;
const BODY_BYTES = 1024;

interface Run {
  readonly serviceMillis: number;
  readonly pool: number;
  readonly adaptation: Adaptation;
}

interface Shares {
  readonly capacityUsed: number;
  readonly throttled: number;
  /** Of all calls from the beginning. */
  readonly throttledBefore: number;
}

/** A model with room for a few calls. */
function newModel(serviceMillis: number) {
  let busy = 0;
  let busyMillis = 0;
  let countedUntil = performance.now();
  let answered = 0;
  let throttled = 0;
  const count = () => {
    busyMillis += busy * (performance.now() - countedUntil);
    countedUntil = performance.now();
  };
  return {
    answer: async () => {
      if (busy >= CAPACITY) {
        throttled += 1;
        return awsError('ThrottlingException');
      }
      count();
      busy += 1;
      await delay(serviceMillis * (1 - SPREAD + 2 * SPREAD * Math.random()));
      count();
      busy -= 1;
      answered += 1;
      return { headers: { 'content-type': 'application/json' }, body: '{}' };
    },
    /** Since the beginning. */
    figures: () => {
      count();
      return { at: performance.now(), busyMillis, answered, throttled };
    },
  };
}

async function measure({ serviceMillis, pool, adaptation }: Run, measuredMillis: number): Promise<Shares> {
  const model = newModel(serviceMillis);
  const server = await serve(model.answer);
  const client = new SageMakerRuntimeClient(localClient(server.url));
  const log = createLogger('silent');
  const metrics = new Metrics({ log, clock: systemClock, appName: 'bench', perStream: () => false });
  const common = { clock: systemClock, log, metrics };
  const queue = roomyQueue();
  const control = new EndpointControl({ ...common, queue, maxConcurrency: pool, adaptation });
  const endpoint = new SageMakerEndpoint({
    ...common,
    client,
    name: 'detector',
    acceptContentType: 'image/jpeg',
    settings: () => ({
      timeoutMillis: 20_000,
      targetVariant: null,
      targetModel: null,
      inferenceComponent: null,
    }),
  });
  const end = new AbortController();
  setMaxListeners(0, end.signal);
  const invocation = { body: Buffer.alloc(BODY_BYTES), inferenceId: 'bench', customAttributes: 'id=bench' };
  const frames = Array.from({ length: 4 * pool }, async () => {
    while (!end.signal.aborted) {
      await askAbout({
        ...common,
        queue,
        control,
        streamName: 'bench',
        settings: () => ({ maxAttempts: 5, isLossless: true }),
        call: () => endpoint.invoke(invocation, end.signal),
        signal: end.signal,
      }).catch((error: unknown) => {
        if (!end.signal.aborted) throw error;
      });
    }
  });
  await delay(SETTLING_MILLIS);
  const from = model.figures();
  await delay(measuredMillis);
  const to = model.figures();
  end.abort();
  await Promise.all(frames);
  control.close();
  client.destroy();
  await server.close();
  const throttled = to.throttled - from.throttled;
  return {
    capacityUsed: (to.busyMillis - from.busyMillis) / (CAPACITY * (to.at - from.at)),
    throttled: throttled / (throttled + to.answered - from.answered),
    throttledBefore: from.throttled,
  };
}

function runsFor(serviceMillis: number): Run[] {
  const { factor, step } = ADAPTATION;
  const factors = POOLS.flatMap((pool) =>
    FACTORS.map((other) => ({ serviceMillis, pool, adaptation: { factor: other, step } })),
  );
  const steps = STEPS.filter((other) => other !== step).map((other) => ({
    serviceMillis,
    pool: 20,
    adaptation: { factor, step: other },
  }));
  // What a client reaches that knows the capacity.
  const perfect = { serviceMillis, pool: CAPACITY, adaptation: ADAPTATION };
  return [perfect, ...factors, ...steps];
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

const { service } = new Command('bench -- adaptive-concurrency')
  .description(
    'An endpoint that takes 8 calls at a time and throttles the rest: a Markdown table of what is used of it.',
  )
  .addOption(
    new Option('--service <millis>', 'only this time that the model takes').choices(
      SERVICES.map(({ millis }) => String(millis)),
    ),
  )
  .parse()
  .opts<{ service?: string }>();
process.stdout.write(
  '| service time | pool | factor | step | capacity used | throttled after 30 s | throttled calls before |\n' +
    '| --: | --: | --: | --: | --: | --: | --: |\n',
);
for (const { millis, measuredMillis, together } of SERVICES) {
  if (service !== undefined && Number(service) !== millis) continue;
  const runs = runsFor(millis);
  for (let first = 0; first < runs.length; first += together) {
    const batch = runs.slice(first, first + together);
    const shares = await Promise.all(batch.map((run) => measure(run, measuredMillis)));
    for (const [index, { pool, adaptation }] of batch.entries()) {
      const { capacityUsed, throttled, throttledBefore } = shares[index] as Shares;
      const cells = [`${millis} ms`, pool, adaptation.factor, adaptation.step];
      cells.push(percent(capacityUsed), percent(throttled), throttledBefore);
      process.stdout.write(`| ${cells.join(' | ')} |\n`);
    }
  }
}

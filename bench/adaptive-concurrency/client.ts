import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { systemClock } from '../../src/core/clock.ts';
import { createLogger } from '../../src/core/log.ts';
import { Metrics } from '../../src/core/metrics.ts';
import type { Adaptation } from '../../src/inference/concurrency-limit.ts';
import { SageMakerEndpoint } from '../../src/inference/endpoint.ts';
import { EndpointControl } from '../../src/inference/endpoint-control.ts';
import { askAbout, roomyQueue } from '../../test/inference/ask-about.ts';
import { serve } from '../../test/support/http-server.ts';
import { localClient } from '../../test/support/services.ts';
import { CAPACITY, newModel } from './model.ts';

/** What is measured by itself: a model, and who asks it. */
export interface Run {
  readonly serviceMillis: number;
  readonly pool: number;
  readonly adaptation: Adaptation;
}

export interface Shares {
  readonly capacityUsed: number;
  readonly throttled: number;
  /** Calls that were throttled before it was measured. */
  readonly throttledBefore: number;
}

export interface Durations {
  readonly settlingMillis: number;
  readonly measuredMillis: number;
}

export interface Options extends Durations {
  /** Side by side. */
  readonly runs: readonly Run[];
}

const BODY_BYTES = 1024;

/** @returns of each run */
export async function run({ runs, ...durations }: Options): Promise<Shares[]> {
  return await Promise.all(runs.map((one) => measure(one, durations)));
}

async function measure(
  { serviceMillis, pool, adaptation }: Run,
  { settlingMillis, measuredMillis }: Durations,
): Promise<Shares> {
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
  await delay(settlingMillis);
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

import { setTimeout as delay } from 'node:timers/promises';
import { Closers } from '../../src/core/closers.ts';
import { errorMessage } from '../../src/core/errors.ts';
import type { Random } from '../support/random.ts';
import type { Fault } from './actions.ts';
import { type Comparison, compareIds } from './comparison.ts';
import { Fleet } from './fleet.ts';
import {
  type Departure,
  failOverGaps,
  type Gaps,
  handOverGaps,
  type LeaseEvent,
  leaseEvent,
} from './observation.ts';
import { type Stage, type Tally, until } from './perform.ts';
import { type Services, startServices } from './services.ts';

export interface RoundOptions {
  name: string;
  streams: readonly string[];
  workers: number;
  /** Of the workers that harm is done to, beside what all have. */
  config: Readonly<Record<string, unknown>>;
  /** Does the harm. */
  act: (stage: Stage) => Promise<void>;
  /** Folder of the bundled program. */
  dist: string;
  logFolder: string;
  random: Random;
  note: (text: string) => void;
  signal: AbortSignal;
}

export interface RoundFigures extends Tally {
  readonly kills: number;
  readonly terminations: number;
  readonly faults: Readonly<Record<'DynamoDB' | 'Kinesis', ReadonlyMap<Fault, number>>>;
  readonly taken: number;
  readonly handedOver: number;
  /** Spans that a worker has reported as lost: none is due, as everything is stored. */
  readonly gaps: number;
  readonly failOver: Gaps;
  readonly handOver: { readonly atTermination: Gaps; readonly whileSharing: Gaps };
  readonly comparison: Comparison;
  /** Everything but missing and extra ids that must not be. */
  readonly failures: readonly string[];
}

const SAMPLING = { inferenceInterval: 2, metricsIntervalInMilli: 5000 };
/** Its checkpoint is where everything ends, so it is written often. */
const REFERENCE = { ...SAMPLING, checkpointIntervalInMilli: 500 };
const SETTLE_LIMIT_MILLIS = 40_000;
/** The reference is through when its checkpoint has stood still for this long. */
const QUIET_MILLIS = 1500;

/**
 * Workers that harm is done to, beside one that nothing happens to, over the same fragments from the same start.
 * In the end both have published the same ids.
 */
export async function runRound(options: RoundOptions): Promise<RoundFigures> {
  const { act, config, dist, logFolder, name, note, random, signal, streams, workers } = options;
  const reference = `${name}-reference`;
  const events: LeaseEvent[] = [];
  const tally = { pauses: 0, cuts: 0, silences: 0 };
  const failures: string[] = [];
  let gaps = 0;
  const onLine = (line: Readonly<Record<string, unknown>>) => {
    const event = leaseEvent(line);
    // The lease for synchronization is none that is read.
    if (event !== null && streams.includes(event.streamName)) events.push(event);
    if (String(line['msg']).startsWith('gap:')) gaps += 1;
  };
  const closers = new Closers();
  try {
    const services = closers.add(await startServices({ streams, dist, random, signal }));
    await Promise.all([
      services.addApplication(reference, REFERENCE),
      services.addApplication(name, { ...SAMPLING, ...config }),
    ]);
    const start = (application: string, size: number, env: Readonly<Record<string, string>>) => {
      const variables = { ...env, CONFIG_PARAMETER: application };
      const script = `${dist}/main.js`;
      const ears = application === name ? onLine : () => undefined;
      const fleet = closers.add(
        new Fleet({ name: application, size, script, env: variables, logFolder, onLine: ears }),
      );
      // Whatever waits for a worker's end goes on then.
      signal.addEventListener('abort', () => void fleet.close(), { once: true });
      return fleet;
    };
    const undisturbed = start(reference, 1, services.env);
    const fleet = start(name, workers, services.harmedEnv);

    await attempt(failures, signal, () =>
      act({ fleet, services, workers, streams, events, tally, note, signal }),
    );
    for (const service of ['DynamoDB', 'Kinesis'] as const) services.proxies[service].heal();
    await services.stopCameras();
    note('the cameras have ended: waiting until everything is published');
    await attempt(failures, signal, () => untilSettled(services, { name, reference, streams, signal }));
    // What the end of the round does to the workers is no part of the harm.
    const [departures, harmed] = [[...fleet.departures], [...events]];
    await Promise.all([fleet.end(signal), undisturbed.end(signal)]);
    signal.throwIfAborted();

    const departed = (type: Departure['type']) => departures.filter((one) => one.type === type).length;
    const happened = (type: LeaseEvent['type']) => harmed.filter((event) => event.type === type).length;
    return {
      ...tally,
      kills: departed('killed'),
      terminations: departed('terminated'),
      faults: { DynamoDB: services.proxies.DynamoDB.struck, Kinesis: services.proxies.Kinesis.struck },
      taken: happened('taken'),
      handedOver: happened('handedOver'),
      gaps,
      failOver: failOverGaps(harmed, departures),
      handOver: handOverGaps(harmed, departures),
      comparison: compareIds(await services.resultIds(reference), await services.resultIds(name)),
      failures: [...failures, ...fleet.failures, ...undisturbed.failures],
    };
  } finally {
    await closers.close();
  }
}

/** A failure does not end the round: what is published in the end tells more. An interruption does. */
async function attempt(failures: string[], signal: AbortSignal, step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (error) {
    signal.throwIfAborted();
    failures.push(errorMessage(error));
  }
}

/** Until the reference stands still, and the others have got as far on every stream. */
async function untilSettled(
  services: Services,
  applications: { name: string; reference: string; streams: readonly string[]; signal: AbortSignal },
): Promise<void> {
  const { name, reference, streams, signal } = applications;
  // Before the first fragment it is the name of a position.
  const isRead = (checkpoint = '') => /^\d+$/.test(checkpoint);
  const read = async (application: string) => {
    const checkpoints = await services.checkpoints(application);
    return streams.map((stream) => checkpoints.get(stream) ?? '');
  };
  let [last, due, behind]: string[][] = [[], [], [...streams]];
  const isSettled = async () => {
    last = due ?? [];
    due = await read(reference);
    const reached = await read(name);
    behind = streams.filter((_, index) => reached[index] !== due?.[index] || !isRead(reached[index]));
    if (behind.length === 0 && String(last) === String(due)) return true;
    await delay(QUIET_MILLIS, undefined, { signal });
    return false;
  };
  const limits = { limitMillis: SETTLE_LIMIT_MILLIS, signal };
  await until('the checkpoints are those of the reference', isSettled, limits).catch((error: unknown) => {
    throw new Error(`${errorMessage(error)}; behind: ${behind?.join(', ')}`);
  });
}

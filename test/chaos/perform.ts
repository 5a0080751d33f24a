import { setTimeout as delay } from 'node:timers/promises';
import { type Action, describeAction, type PlannedAction } from './actions.ts';
import type { Fleet } from './fleet.ts';
import { failOverGaps, handOverGaps, type LeaseEvent, ownedStreams } from './observation.ts';
import type { Services } from './services.ts';

/** What harm is done to. */
export interface Stage {
  readonly fleet: Fleet;
  readonly services: Services;
  readonly workers: number;
  readonly streams: readonly string[];
  /** What the workers' logs have told up to now. */
  readonly events: readonly LeaseEvent[];
  readonly tally: Tally;
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

/** What was done that no other count tells. */
export interface Tally {
  pauses: number;
  cuts: number;
  silences: number;
}

/** Does what is planned when its time has come; resolves when all of it is over. */
export async function performPlan(
  stage: Stage,
  plan: readonly PlannedAction[],
  millis: number,
): Promise<void> {
  const startedAt = performance.now();
  const sleepUntil = (atMillis: number) =>
    delay(Math.max(0, startedAt + atMillis - performance.now()), undefined, { signal: stage.signal });
  const underWay: Array<Promise<void>> = [];
  for (const action of plan) {
    await sleepUntil(action.atMillis);
    underWay.push(perform(stage, action));
  }
  await sleepUntil(millis);
  await Promise.all(underWay);
}

async function perform(stage: Stage, action: Action): Promise<void> {
  const { fleet, services, note, signal, tally } = stage;
  const { media } = services.proxies;
  // The plan reckons with how long a worker is away; the machine may be slower.
  if ('worker' in action && !fleet.isSpare(action.worker)) {
    return note(`left out, as too few workers run: ${describeAction(action)}`);
  }
  note(describeAction(action));
  switch (action.type) {
    case 'kill':
      return await fleet.kill(action.worker);
    case 'terminate':
      return await fleet.terminate(action.worker);
    case 'pause':
      tally.pauses += 1;
      return await fleet.pause(action.worker, action.millis, signal);
    case 'cut':
      tally.cuts += media.cut(action.probability, action.bytes);
      return;
    case 'silence':
      tally.silences += media.silence(action.probability, action.millis);
      return;
    case 'faults': {
      const proxy = services.proxies[action.service];
      proxy.harm(action.fault, action.probability);
      await delay(action.millis, undefined, { signal }).catch(() => undefined);
      proxy.heal();
    }
  }
}

const BALANCE_LIMIT_MILLIS = 40_000;
const TAKEN_LIMIT_MILLIS = 20_000;

/** One SIGKILL, then one SIGTERM, each when the streams are shared evenly. */
export async function killAndTerminateOne(stage: Stage): Promise<void> {
  const { fleet, events, note, signal } = stage;
  await untilBalanced(stage);
  note('SIGKILL to worker 1');
  await fleet.kill(0);
  await until(
    'the streams of the killed worker are read again',
    () => failOverGaps(events, fleet.departures).open === 0,
    { limitMillis: TAKEN_LIMIT_MILLIS, signal },
  );
  await untilBalanced(stage);
  const last = stage.workers - 1;
  note(`SIGTERM to worker ${last + 1}`);
  await fleet.terminate(last);
  await until(
    'the streams of the terminated worker are read again',
    () => handOverGaps(events, fleet.departures).atTermination.open === 0,
    { limitMillis: TAKEN_LIMIT_MILLIS, signal },
  );
}

/** Until every stream has an owner, and no worker has two more than another. */
async function untilBalanced({ fleet, events, streams, signal }: Stage): Promise<void> {
  const isBalanced = () => {
    const counts = fleet.ids.map((id) => ownedStreams(events, id, Date.now()).length);
    const sum = counts.reduce((total, count) => total + count, 0);
    return sum === streams.length && Math.max(...counts) - Math.min(...counts) <= 1;
  };
  await until('the streams are shared evenly', isBalanced, { limitMillis: BALANCE_LIMIT_MILLIS, signal });
}

/** Asks until the answer is true. @throws {Error} after the limit */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { limitMillis, signal }: { limitMillis: number; signal: AbortSignal },
): Promise<void> {
  for (const end = performance.now() + limitMillis; !(await condition()); ) {
    if (performance.now() > end) throw new Error(`not within ${limitMillis / 1000} s: ${what}`);
    await delay(100, undefined, { signal });
  }
}

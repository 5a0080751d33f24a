import { isStreamLease, WORKERS, workerKey } from '../../src/lease/keys.ts';
import type { SamplingPlan } from '../../src/lease/sampling.ts';
import { Random, withMathRandom } from '../support/random.ts';
import { type Item, sizeOf } from './attribute-values.ts';
import { SimulatedDynamoDb } from './dynamo-db.ts';
import { randomFaults } from './faults.ts';
import { Ledger } from './ledger.ts';
import type { Call, Units } from './operations.ts';
import { SimulatedStreams } from './streams.ts';
import { VirtualTime } from './time.ts';
import { SimulatedWorker, TABLE } from './worker.ts';

export interface CostsOptions {
  leases: number;
  workers: number;
  /** Whole minutes, as synchronization comes once in one. */
  minutes: number;
}

/** What requests are for. */
export const PURPOSES = ['heartbeats', 'observation', 'taking', 'checkpoints', 'synchronization'] as const;
export type Purpose = (typeof PURPOSES)[number];

export interface Spending extends Units {
  requests: number;
}

export interface CostsReport extends CostsOptions {
  /** What all workers together have spent in the measured time. */
  total: Spending;
  byPurpose: Record<Purpose, Spending>;
  /** Of a lease's item, on average. */
  leaseItemBytes: number;
  /** How long it took to create all leases, and how long it took to find them all in place, milliseconds. */
  firstSyncMillis: number;
  syncMillis: number;
}

export const FAILOVER_MILLIS = 10_000;
/** Each way; with what the fake adds a request takes 5 ms on average. */
const LATENCY_MILLIS = 2;
/** Shorter than the checkpoint interval: there is something to write in each. */
const FRAGMENT_MILLIS = 4000;
/** Before, the leases are created and shared. */
const FIRST_FRAGMENT_MILLIS = 30_000;
/** The measuring begins when all leases have stayed where they are for this long. */
const STILL_MILLIS = 15_000;
const MAX_START_MILLIS = 300_000;
const STEP_MILLIS = 1000;
const PLAN: SamplingPlan = {
  endpoints: [{ name: 'object-detection', acceptContentType: 'image/jpeg', inferenceInterval: 6 }],
  namesEndpoints: false,
};

/**
 * What a fleet spends in DynamoDB while nothing happens: all workers live, each stream has a new fragment in every
 * checkpoint interval. The default times.
 *
 * @throws {Error} if the leases do not come to rest
 */
export async function measureCosts(
  options: CostsOptions,
  onProgress: (virtualMillis: number, totalMillis: number) => void = () => undefined,
): Promise<CostsReport> {
  const random = new Random(1);
  return await withMathRandom(random.fork(), () => measure(options, random, onProgress));
}

async function measure(
  options: CostsOptions,
  random: Random,
  onProgress: (virtualMillis: number, totalMillis: number) => void,
): Promise<CostsReport> {
  const { leases, workers, minutes } = options;
  const time = new VirtualTime();
  const ledger = new Ledger();
  const byPurpose = noSpending();
  const dynamoDb = new SimulatedDynamoDb({
    time,
    random: random.fork(),
    policy: randomFaults({ latencyMillis: LATENCY_MILLIS }),
    indexDelayMillis: () => 10,
    onRequest: (call, units) => add(byPurpose[purposeOf(call)], { requests: 1, ...units }),
  });
  const streams = new SimulatedStreams({
    time,
    random: random.fork(),
    count: leases,
    periodMillis: FRAGMENT_MILLIS,
    fromMillis: FIRST_FRAGMENT_MILLIS,
    untilMillis: MAX_START_MILLIS + minutes * 60_000,
    // What is not about DynamoDB is left out.
    maxIFrames: 0,
  });
  const syncs: number[] = [];
  let failure: unknown = null;
  const fleet = Array.from(
    { length: workers },
    () =>
      new SimulatedWorker({
        time,
        random: random.fork(),
        // As long as the ids of real ones: an item's size counts.
        machine: time.machine({ id: workerId(random) }),
        dynamoDb,
        streams,
        ledger,
        failoverTimeInMilli: FAILOVER_MILLIS,
        wantedPlan: () => PLAN,
        onLine: (line) => syncs.push(...syncTimes(line)),
        onError: (error) => {
          failure ??= error;
        },
      }),
  );
  const run = async (untilMillis: number) => {
    const totalMillis = FIRST_FRAGMENT_MILLIS + STILL_MILLIS + minutes * 60_000;
    for (let now = time.now; now < untilMillis; now = time.now) {
      await time.run(Math.min(untilMillis, now + STEP_MILLIS));
      if (failure !== null) throw failure;
      onProgress(time.now, Math.max(totalMillis, time.now));
    }
  };

  await run(FIRST_FRAGMENT_MILLIS);
  for (let taken = -1; taken !== ledger.taken; ) {
    if (time.now > MAX_START_MILLIS) throw new Error('the leases do not come to rest');
    taken = ledger.taken;
    await run(time.now + STILL_MILLIS);
  }
  const held = ledger.loads(fleet.map(({ machine }) => machine)).reduce((sum, load) => sum + load, 0);
  if (held !== leases) throw new Error(`${held} of ${leases} leases are held`);

  const before = { total: total(dynamoDb), byPurpose: structuredClone(byPurpose) };
  await run(time.now + minutes * 60_000);
  for (const worker of fleet) worker.flushMetrics();
  const items = dynamoDb.items(TABLE).filter(({ leaseKey }) => isStreamLease(leaseKey?.S ?? ''));
  return {
    ...options,
    total: difference(total(dynamoDb), before.total),
    byPurpose: Object.fromEntries(
      PURPOSES.map((purpose) => [purpose, difference(byPurpose[purpose], before.byPurpose[purpose])]),
    ) as Record<Purpose, Spending>,
    leaseItemBytes: items.reduce((sum, item) => sum + sizeOf(item), 0) / items.length,
    firstSyncMillis: syncs[0] ?? Number.NaN,
    syncMillis: syncs.at(-1) ?? Number.NaN,
  };
}

function purposeOf({ operation, input }: Call): Purpose {
  const { Key, UpdateExpression, ExpressionAttributeValues } = input as {
    Key?: Item;
    UpdateExpression?: string;
    ExpressionAttributeValues?: Item;
  };
  switch (operation) {
    case 'Query':
      return ExpressionAttributeValues?.[':owner']?.S === WORKERS ? 'observation' : 'taking';
    case 'UpdateItem':
      if (Key?.['leaseKey']?.S?.startsWith(workerKey(''))) return 'heartbeats';
      return UpdateExpression?.includes('checkpoint = ') ? 'checkpoints' : 'taking';
    case 'GetItem':
    case 'BatchGetItem':
      return 'taking';
    default:
      return 'synchronization';
  }
}

function noSpending(): Record<Purpose, Spending> {
  const none = () => ({ requests: 0, readRequestUnits: 0, writeRequestUnits: 0 });
  return Object.fromEntries(PURPOSES.map((purpose) => [purpose, none()])) as Record<Purpose, Spending>;
}

function add(sum: Spending, { requests, readRequestUnits, writeRequestUnits }: Spending): Spending {
  sum.requests += requests;
  sum.readRequestUnits += readRequestUnits;
  sum.writeRequestUnits += writeRequestUnits;
  return sum;
}

/** As the service itself counts, whatever the requests are for. */
function total({ usage }: SimulatedDynamoDb): Spending {
  return usage.reduce<Spending>(add, { requests: 0, readRequestUnits: 0, writeRequestUnits: 0 });
}

function difference(after: Spending, before: Spending): Spending {
  return {
    requests: after.requests - before.requests,
    readRequestUnits: after.readRequestUnits - before.readRequestUnits,
    writeRequestUnits: after.writeRequestUnits - before.writeRequestUnits,
  };
}

/** Times of synchronizations, milliseconds, if it is a line of metrics. */
function syncTimes(line: string): number[] {
  return line.includes('"LeaseSyncTime":') ? JSON.parse(line).LeaseSyncTime : [];
}

/** A UUID. */
function workerId(random: Random): string {
  const hex = Array.from({ length: 32 }, () => random.integer(0, 15).toString(16)).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

import { errorName } from '../../src/core/errors.ts';
import type { SamplingPlan } from '../../src/lease/sampling.ts';
import { Random, withMathRandom } from '../support/random.ts';
import { SimulatedDynamoDb } from './dynamo-db.ts';
import { randomFaults } from './faults.ts';
import { TimeInvariants, WriteInvariants } from './invariants.ts';
import { InvariantError, Ledger } from './ledger.ts';
import { RunLog } from './run-log.ts';
import { randomPlan, SamplingHistory } from './sampling.ts';
import { SimulatedStreams } from './streams.ts';
import { VirtualTime } from './time.ts';
import { SimulatedWorker } from './worker.ts';

export interface SimulationOptions {
  seed: number;
  workers: number;
  streams: number;
  failoverTimeInMilli: number;
  /** How long requests go wrong, virtual milliseconds. */
  faultMillis: number;
  /** How long workers come and go, virtual milliseconds; then there is quiet. */
  troubleMillis: number;
  /** Between two fragments of a stream. */
  fragmentMillis: number;
}

export interface SimulationReport {
  seed: number;
  virtualMillis: number;
  events: number;
  kills: number;
  terminations: number;
  pauses: number;
  outages: number;
  takes: number;
  handOvers: number;
  checkpoints: number;
  /** Boundaries that were recorded, of all streams. */
  samplingChanges: number;
  published: number;
  repeats: number;
  longestUnownedMillis: number;
  requests: number;
}

export interface SimulationObserver {
  /** Is given what the workers log. */
  log?: RunLog;
  /** Called every virtual second. */
  onProgress?: (virtualMillis: number, totalMillis: number) => void;
}

/** Quiet after the trouble: for all that was lost to be taken again, and everything to be balanced. */
const SETTLING_MILLIS = 90_000;
/** Then nothing may move for this long. */
const STILL_MILLIS = 60_000;
const CHECK_MILLIS = 1000;
const MAX_INDEX_DELAY_MILLIS = 8000;
/** Between two changes of what is to be sampled, on average. */
const PLAN_MILLIS = 45_000;
/** A worker reads its configuration again after this at the most. */
const MAX_REFRESH_MILLIS = 30_000;

/**
 * A fleet of workers through a time of trouble and back to quiet, all by chance and the same for the same seed.
 *
 * @throws {InvariantError} as soon as something is so that must not be
 */
export async function simulate(
  options: SimulationOptions,
  { log = new RunLog(), onProgress = () => undefined }: SimulationObserver = {},
): Promise<SimulationReport> {
  const random = new Random(options.seed);
  return await withMathRandom(random.fork(), () =>
    new Simulation(options, random, { log, onProgress }).run(),
  );
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #random: Random;
  readonly #time = new VirtualTime();
  readonly #ledger = new Ledger();
  readonly #writes = new WriteInvariants();
  readonly #outages: Array<{
    fromMillis: number;
    toMillis: number;
    outcome: 'REQUEST_LOST' | 'THROTTLED' | 'FAILED';
  }>;
  readonly #dynamoDb: SimulatedDynamoDb;
  readonly #invariants: TimeInvariants;
  readonly #streams: SimulatedStreams;
  readonly #plans: Array<{ readonly fromMillis: number; readonly plan: SamplingPlan }> = [];
  readonly #sampling = new SamplingHistory();
  #workers: SimulatedWorker[] = [];
  #error: unknown = null;
  readonly #observer: Required<SimulationObserver>;
  #started = 0;
  #kills = 0;
  #terminations = 0;
  #pauses = 0;

  constructor(options: SimulationOptions, random: Random, observer: Required<SimulationObserver>) {
    this.#observer = observer;
    const { failoverTimeInMilli, faultMillis, fragmentMillis, streams, troubleMillis } = options;
    this.#options = options;
    this.#random = random;
    const chance = random.fork();
    const outcomes = ['REQUEST_LOST', 'THROTTLED', 'FAILED'] as const;
    this.#outages = Array.from({ length: 3 }, () => {
      const fromMillis = chance.between(60_000, faultMillis - 40_000);
      return {
        fromMillis,
        toMillis: fromMillis + chance.between(2000, 40_000),
        outcome: chance.pick(outcomes),
      };
    });
    const trouble = randomFaults({
      latencyMillis: 8,
      outages: this.#outages,
      probabilities: {
        THROTTLED: 0.01,
        FAILED: 0.005,
        FAILED_AFTER_EFFECT: 0.003,
        HALF_PROCESSED: 0.01,
        REQUEST_LOST: 0.003,
        RESPONSE_LOST: 0.003,
      },
    });
    const quiet = randomFaults({ latencyMillis: 8 });
    this.#dynamoDb = new SimulatedDynamoDb({
      time: this.#time,
      random: random.fork(),
      policy: (request) => (request.now < faultMillis ? trouble(request) : quiet(request)),
      // Mostly at once; while requests go wrong, now and then seconds late, and with it the news of a heartbeat.
      indexDelayMillis: () => {
        const isLate = chance.chance(0.01) && this.#time.now < faultMillis - MAX_INDEX_DELAY_MILLIS;
        return isLate ? chance.between(1000, MAX_INDEX_DELAY_MILLIS) : chance.exponential(100);
      },
      onWrite: (write) => {
        this.#writes.check(write);
        this.#sampling.note(write);
      },
    });
    this.#streams = new SimulatedStreams({
      time: this.#time,
      random: random.fork(),
      count: streams,
      periodMillis: fragmentMillis,
      untilMillis: troubleMillis,
    });
    for (let fromMillis = 0; fromMillis < troubleMillis; fromMillis += chance.exponential(PLAN_MILLIS)) {
      this.#plans.push({ fromMillis, plan: randomPlan(chance) });
    }
    this.#invariants = new TimeInvariants({
      ledger: this.#ledger,
      dynamoDb: this.#dynamoDb,
      limits: (now) => {
        // The fail-over, a taking interval, and a moment; what single requests lose comes on top.
        const isFaulty = now < faultMillis + failoverTimeInMilli * 2;
        const lost = isFaulty ? failoverTimeInMilli : 0;
        return {
          unownedMillis: failoverTimeInMilli * (1 + 1 / 3) + CHECK_MILLIS + lost,
          idleMillis: failoverTimeInMilli + lost,
          requestMillis: 35_000 + lost,
        };
      },
    });
  }

  async run(): Promise<SimulationReport> {
    const { seed, troubleMillis, workers } = this.#options;
    for (let index = 0; index < workers; index += 1) {
      this.#time.after(this.#random.between(0, 20_000), () => this.#start());
    }
    this.#scheduleTrouble();
    this.#scheduleCheck();
    await this.#runUntil(troubleMillis + SETTLING_MILLIS);
    const taken = this.#ledger.taken;
    this.#checkBalance();
    await this.#runUntil(this.#totalMillis);
    if (this.#ledger.taken !== taken)
      throw new InvariantError(`${this.#ledger.taken - taken} leases moved without cause`);
    this.#checkBalance();
    this.#checkPublished();
    const published = [...this.#ledger.published.values()];
    return {
      seed,
      virtualMillis: this.#time.now,
      events: this.#time.eventCount,
      kills: this.#kills,
      terminations: this.#terminations,
      pauses: this.#pauses,
      outages: this.#outages.length,
      takes: taken,
      handOvers: this.#writes.handOvers,
      checkpoints: this.#writes.checkpoints,
      samplingChanges: this.#sampling.changes,
      published: published.length,
      repeats: published.reduce((sum, count) => sum + count - 1, 0),
      longestUnownedMillis: Math.round(this.#invariants.longestUnownedMillis),
      requests: this.#dynamoDb.usage.reduce((sum, { requests }) => sum + requests, 0),
    };
  }

  get #totalMillis(): number {
    return this.#options.troubleMillis + SETTLING_MILLIS + STILL_MILLIS;
  }

  async #runUntil(millis: number): Promise<void> {
    await this.#time.run(millis, () => {
      if (this.#error !== null) throw this.#error;
    });
  }

  #start(): void {
    this.#started += 1;
    const random = this.#random.fork();
    const refreshMillis = random.between(0, MAX_REFRESH_MILLIS);
    const machine = this.#time.machine({
      id: `worker-${this.#started}`,
      rate: random.between(0.98, 1.02),
      wallClockOffsetMillis: random.between(-60_000, 60_000),
    });
    this.#workers.push(
      new SimulatedWorker({
        time: this.#time,
        random,
        machine,
        dynamoDb: this.#dynamoDb,
        streams: this.#streams,
        ledger: this.#ledger,
        failoverTimeInMilli: this.#options.failoverTimeInMilli,
        wantedPlan: () => this.#planAt(this.#time.now - refreshMillis),
        onLine: (line) => this.#observer.log.add(this.#time.now, machine.id, line),
        onError: (error) => {
          if (errorName(error) === 'LEASE_TABLE') {
            machine.kill();
            this.#time.after(5000, () => this.#start());
            return;
          }
          this.#error ??= error;
        },
      }),
    );
  }

  /** What the configuration said at a time. */
  #planAt(millis: number): SamplingPlan {
    const { plan } = this.#plans.findLast(({ fromMillis }) => fromMillis <= millis) ?? this.#plans[0] ?? {};
    if (plan === undefined) throw new Error('no plan');
    return plan;
  }

  /** Until the trouble ends, something happens to a worker every few seconds. */
  #scheduleTrouble(): void {
    const { troubleMillis, workers } = this.#options;
    this.#time.after(this.#random.exponential(Math.max(2000, 200_000 / workers)), () => {
      if (this.#time.now >= troubleMillis) return;
      this.#scheduleTrouble();
      const running = this.#workers.filter(({ isRunning, isLeaving }) => isRunning && !isLeaving);
      if (running.length === 0) return;
      const victim = this.#random.pick(running);
      const act = (msg: string) =>
        this.#observer.log.add(this.#time.now, victim.machine.id, JSON.stringify({ msg }));
      const replaceAfter = this.#random.between(0, 30_000);
      switch (this.#random.pick(['KILL', 'KILL', 'TERMINATE', 'PAUSE', 'JOIN'] as const)) {
        case 'KILL':
          act('KILL');
          this.#kills += 1;
          victim.machine.kill();
          this.#time.after(replaceAfter, () => this.#start());
          break;
        case 'TERMINATE':
          act('TERM');
          this.#terminations += 1;
          victim.terminate();
          this.#time.after(replaceAfter, () => this.#start());
          break;
        case 'PAUSE':
          act('PAUSE');
          this.#pauses += 1;
          victim.machine.pause();
          this.#time.after(this.#random.between(500, 40_000), () =>
            victim.machine.resume(this.#random.pick(['timer', 'answer'] as const)),
          );
          break;
        case 'JOIN':
          if (running.length < workers * 1.2) this.#start();
          break;
      }
    });
  }

  #scheduleCheck(): void {
    this.#time.after(CHECK_MILLIS, () => {
      this.#scheduleCheck();
      const { now } = this.#time;
      this.#observer.onProgress(now, this.#totalMillis);
      // After an outage everything has the time that it had before it.
      const isTableUp = !this.#outages.some(
        ({ fromMillis, toMillis }) => now >= fromMillis && now < toMillis + CHECK_MILLIS,
      );
      this.#workers = this.#workers.filter(({ machine }) => !machine.isKilled);
      this.#invariants.check(now, this.#workers, isTableUp);
    });
  }

  #checkBalance(): void {
    const machines = this.#workers.filter(({ isRunning }) => isRunning).map(({ machine }) => machine);
    const loads = this.#ledger.loads(machines);
    const [least, most] = [Math.min(...loads), Math.max(...loads)];
    const total = loads.reduce((sum, load) => sum + load, 0);
    if (most - least > 1 || total !== this.#options.streams) {
      throw new InvariantError(
        `not balanced: ${total} leases of ${this.#options.streams}: ${loads.join(' ')}`,
      );
    }
  }

  #checkPublished(): void {
    const due = this.#streams.dueIds((name, number) => this.#sampling.planOf(name, number));
    const { published } = this.#ledger;
    const missing = [...due].filter((id) => !published.has(id));
    const extra = [...published.keys()].filter((id) => !due.has(id));
    if (missing.length + extra.length === 0) return;
    throw new InvariantError(
      `${missing.length} of ${due.size} ids missing, ${extra.length} extra: ${[...missing, ...extra].slice(0, 5).join(' ')}`,
    );
  }
}

import { isStreamLease } from '../../src/lease/keys.ts';
import type { Item } from './attribute-values.ts';
import type { SimulatedDynamoDb } from './dynamo-db.ts';
import { InvariantError, type Ledger } from './ledger.ts';
import type { Write } from './operations.ts';
import { type SimulatedWorker, TABLE } from './worker.ts';

/** What must hold at every write to the table: one owner an epoch, and neither epoch nor checkpoint moves back. */
export class WriteInvariants {
  /** Who wrote a checkpoint, by lease and epoch. */
  readonly #writers = new Map<string, string>();
  checkpoints = 0;
  /** Leases that their owner has given to the worker that asked for them. */
  handOvers = 0;

  check({ key, machineId, before, after }: Write): void {
    if (!isStreamLease(key) || before === null || after === null) return;
    const [was, is] = [leaseOf(before), leaseOf(after)];
    if (is.epoch < was.epoch) throw new InvariantError(`${key}: epoch ${was.epoch} → ${is.epoch}`);
    if (is.owner !== was.owner && !is.owner.startsWith('$') && is.epoch === was.epoch) {
      throw new InvariantError(`${key}: two owners in epoch ${is.epoch}`);
    }
    if (was.owner === machineId && is.owner !== machineId && !is.owner.startsWith('$')) this.handOvers += 1;
    if (was.checkpoint === is.checkpoint) return;
    this.checkpoints += 1;
    if (fragmentOf(is.checkpoint) < fragmentOf(was.checkpoint)) {
      throw new InvariantError(`${key}: the checkpoint moved back`);
    }
    const epoch = `${key} ${was.epoch}`;
    const writer = this.#writers.get(epoch) ?? machineId;
    this.#writers.set(epoch, writer);
    if (writer !== machineId || was.owner !== machineId) {
      throw new InvariantError(
        `${epoch}: checkpoint by ${machineId}, owner ${was.owner}, before by ${writer}`,
      );
    }
  }
}

/** Not parsed as the program does: this is asked thousands of times a second. */
function leaseOf(item: Item) {
  return {
    owner: item['leaseOwner']?.S ?? '',
    epoch: Number(item['leaseEpoch']?.N),
    checkpoint: item['checkpoint']?.S ?? '',
  };
}

function fragmentOf(checkpoint: string): bigint {
  return /^\d+$/.test(checkpoint) ? BigInt(checkpoint) : 0n;
}

export interface TimeLimits {
  /** Longest time without an owner that lives, while the table answers and a worker runs. */
  unownedMillis: number;
  /** Longest time that an owner that lives does not work on its lease. */
  idleMillis: number;
  /** Longest time that a hand-over is asked for. */
  requestMillis: number;
}

interface Moment {
  readonly now: number;
  /** Workers that run. */
  readonly running: ReadonlySet<string>;
  readonly isExcused: boolean;
  /** Since when any worker has been able to take leases. */
  readonly readySince: number;
}

/** What must hold all the time, looked at every so often. */
export class TimeInvariants {
  readonly #limits: (now: number) => TimeLimits;
  readonly #ledger: Ledger;
  readonly #dynamoDb: SimulatedDynamoDb;
  readonly #unowned = new Durations();
  readonly #idle = new Durations();
  #requestedSince = new Map<string, number>();
  longestUnownedMillis = 0;

  constructor(options: { limits: (now: number) => TimeLimits; ledger: Ledger; dynamoDb: SimulatedDynamoDb }) {
    this.#limits = options.limits;
    this.#ledger = options.ledger;
    this.#dynamoDb = options.dynamoDb;
  }

  /** @param isTableUp whether the table has answered for so long that nothing is excused any more */
  check(now: number, workers: readonly SimulatedWorker[], isTableUp: boolean): void {
    const running = new Set(workers.filter(({ isRunning }) => isRunning).map(({ machine }) => machine.id));
    // A lease can be missed only by a worker that was there all the time.
    const readySince = Math.min(...workers.map((worker) => worker.readySince(now)), Number.POSITIVE_INFINITY);
    const isExcused = !isTableUp || readySince > now;
    const requests = new Map<string, number>();
    for (const item of this.#dynamoDb.items(TABLE)) {
      const key = item['leaseKey']?.S ?? '';
      if (isStreamLease(key)) this.#checkOwner(key, item, { now, running, isExcused, readySince });
      else if (workers.some(({ machine, isRunning }) => isRunning && key.endsWith(machine.id))) {
        for (const leaseKey of Object.keys(item['requests']?.M ?? {})) {
          const request = `${key} ${leaseKey}`;
          requests.set(request, isExcused ? now : (this.#requestedSince.get(request) ?? now));
        }
      }
    }
    this.#requestedSince = requests;
    for (const [request, since] of requests) {
      if (now - since > this.#limits(now).requestMillis)
        throw new InvariantError(`hand-over sticks: ${request}`);
    }
  }

  #checkOwner(key: string, item: Item, { now, running, isExcused, readySince }: Moment): void {
    const { owner, epoch } = leaseOf(item);
    const works = this.#ledger
      .on(key)
      .filter(({ machine, lease }) => machine.id === owner && lease.leaseEpoch === epoch);
    if (works.length > 1) throw new InvariantError(`${key}: worked on twice in epoch ${epoch}`);
    const isOwned = running.has(owner);
    const unowned = Math.min(
      this.#unowned.since(`${key} ${epoch}`, now, !isOwned && !isExcused),
      now - readySince,
    );
    const idle = this.#idle.since(`${key} ${epoch}`, now, isOwned && works.length === 0 && !isExcused);
    this.longestUnownedMillis = Math.max(this.longestUnownedMillis, unowned);
    const { unownedMillis, idleMillis } = this.#limits(now);
    if (unowned > unownedMillis) {
      throw new InvariantError(`${key}: without a live owner for ${Math.round(unowned)} ms, owner ${owner}`);
    }
    if (idle > idleMillis) {
      throw new InvariantError(`${key}: not worked on for ${Math.round(idle)} ms by its owner ${owner}`);
    }
  }
}

/** Since when something is so, by key. */
class Durations {
  readonly #since = new Map<string, number>();

  /** @returns for how long it has been so, milliseconds */
  since(key: string, now: number, isSo: boolean): number {
    if (!isSo) {
      this.#since.delete(key);
      return 0;
    }
    const since = this.#since.get(key) ?? now;
    this.#since.set(key, since);
    return now - since;
  }
}

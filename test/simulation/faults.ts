import type { Random } from '../support/random.ts';

/** What becomes of a request. Lost means that nobody ever hears of it, except by a time limit. */
export type Outcome =
  | 'ANSWERED'
  /** Refused without effect. */
  | 'THROTTLED'
  | 'THROUGHPUT_EXCEEDED'
  | 'FAILED'
  /** A failure that is answered although the request has had its effect. */
  | 'FAILED_AFTER_EFFECT'
  /** Of the keys of a BatchGetItem only the first half is looked up; otherwise as THROUGHPUT_EXCEEDED. */
  | 'HALF_PROCESSED'
  | 'REQUEST_LOST'
  | 'RESPONSE_LOST';

export interface Fate {
  readonly outcome: Outcome;
  /** True milliseconds until it has its effect. */
  readonly requestMillis: number;
  /** True milliseconds from then on until it is answered. */
  readonly responseMillis: number;
}

export interface RequestFacts {
  readonly machineId: string;
  /** As the API spells it, such as `UpdateItem`. */
  readonly operation: string;
  /** True time, milliseconds. */
  readonly now: number;
  readonly random: Random;
}

export type Policy = (request: RequestFacts) => Fate;

export interface FaultOptions {
  /** Mean of each way, exponentially distributed on top of half a millisecond; 2 unless told. */
  readonly latencyMillis?: number;
  /** Of each outcome but ANSWERED. */
  readonly probabilities?: Partial<Readonly<Record<Exclude<Outcome, 'ANSWERED'>, number>>>;
  /** What becomes of all requests that are sent from `fromMillis` up to `toMillis`, of all machines or of these. */
  readonly outages?: ReadonlyArray<{
    readonly fromMillis: number;
    readonly toMillis: number;
    readonly outcome: Outcome;
    readonly machineIds?: ReadonlySet<string>;
  }>;
}

const MIN_LATENCY_MILLIS = 0.5;

/** Draws the same count of numbers for each request, whatever the options: seeds stay comparable. */
export function randomFaults({ latencyMillis = 2, probabilities = {}, outages = [] }: FaultOptions): Policy {
  const shares = Object.entries(probabilities) as ReadonlyArray<[Outcome, number]>;
  return ({ machineId, now, random }) => {
    const requestMillis = MIN_LATENCY_MILLIS + random.exponential(latencyMillis);
    const responseMillis = MIN_LATENCY_MILLIS + random.exponential(latencyMillis);
    let left = random.float();
    const drawn = shares.find(([, probability]) => {
      left -= probability;
      return left < 0;
    });
    const outage = outages.find(
      ({ fromMillis, toMillis, machineIds }) =>
        now >= fromMillis && now < toMillis && (machineIds?.has(machineId) ?? true),
    );
    return { outcome: outage?.outcome ?? drawn?.[0] ?? 'ANSWERED', requestMillis, responseMillis };
  };
}

import { Random } from '../support/random.ts';

/** What goes wrong with a request to DynamoDB or Kinesis. */
export type Fault =
  /** Refused with the service's throttling error. */
  | 'throttled'
  /** Answered with status 500. */
  | 'failed'
  /** Neither forwarded nor answered. */
  | 'hang'
  /** The connection is reset before the request is forwarded. */
  | 'reset'
  /** The request is done, but the connection is reset before its answer. */
  | 'answerLost'
  /** PutRecords alone: some records are stored, the others refused. */
  | 'partial';

export type FaultyService = 'DynamoDB' | 'Kinesis';

export type Action =
  | { readonly type: 'kill' | 'terminate'; readonly worker: number }
  | { readonly type: 'pause'; readonly worker: number; readonly millis: number }
  /** Each GetMedia connection with this probability, after so many more bytes at the most. */
  | { readonly type: 'cut'; readonly probability: number; readonly bytes: number }
  /** Each GetMedia connection with this probability: stays open, and nothing comes. */
  | { readonly type: 'silence'; readonly probability: number; readonly millis: number }
  /** Each request with this probability. */
  | {
      readonly type: 'faults';
      readonly service: FaultyService;
      readonly fault: Fault;
      readonly probability: number;
      readonly millis: number;
    };

export type PlannedAction = Action & { readonly atMillis: number };

export interface PlanOptions {
  seed: number;
  /** Length of the run, milliseconds. */
  millis: number;
  workers: number;
}

const FAULTS: Readonly<Record<FaultyService, readonly [Fault, ...Fault[]]>> = {
  DynamoDB: ['throttled', 'failed', 'hang', 'reset', 'answerLost'],
  Kinesis: ['throttled', 'failed', 'hang', 'reset', 'answerLost', 'partial', 'partial'],
};
/** How long a worker is about to be missing after a SIGKILL and a SIGTERM, its successor's start included. */
const MISSING_MILLIS = { kill: 2500, terminate: 4000 };

/** What is done to the workers and their connections, and when: in the order of time, the same for the same seed. */
export function planActions({ seed, millis, workers }: PlanOptions): PlannedAction[] {
  const random = new Random(seed);
  const actions = [...planForWorkers(random, millis, workers), ...planForConnections(random, millis)];
  return actions.sort((a, b) => a.atMillis - b.atMillis);
}

/** One worker after the other, and never the last that runs, unless there is only one. */
function planForWorkers(random: Random, millis: number, workers: number): PlannedAction[] {
  const actions: PlannedAction[] = [];
  const missingUntil = new Array<number>(workers).fill(0);
  for (let atMillis = random.integer(1500, 3000); atMillis < millis; atMillis += random.integer(800, 4000)) {
    const [first, ...others] = missingUntil.flatMap((until, worker) => (until <= atMillis ? [worker] : []));
    if (first === undefined || (others.length === 0 && workers > 1)) continue;
    const worker = random.pick([first, ...others]);
    const type = random.pick(['kill', 'kill', 'terminate', 'pause']);
    if (type === 'pause') {
      const pauseMillis = random.integer(1000, 8000);
      actions.push({ atMillis, type, worker, millis: pauseMillis });
      missingUntil[worker] = atMillis + pauseMillis;
    } else {
      actions.push({ atMillis, type, worker });
      missingUntil[worker] = atMillis + MISSING_MILLIS[type];
    }
  }
  return actions;
}

function planForConnections(random: Random, millis: number): PlannedAction[] {
  const actions: PlannedAction[] = [];
  const faultyUntil: Record<FaultyService, number> = { DynamoDB: 0, Kinesis: 0 };
  for (let atMillis = random.integer(1000, 2000); atMillis < millis; atMillis += random.integer(500, 2000)) {
    const type = random.pick(['cut', 'cut', 'silence', 'faults', 'faults', 'faults']);
    if (type === 'cut') {
      const bytes = random.pick([0, random.integer(1, 4000)]);
      actions.push({ atMillis, type, probability: random.pick([0.2, 0.5, 1]), bytes });
    } else if (type === 'silence') {
      actions.push({ atMillis, type, probability: 0.2, millis: random.integer(1000, 6000) });
    } else {
      const service = random.pick(['DynamoDB', 'Kinesis']);
      const fault = random.pick(FAULTS[service]);
      const probability = random.pick([0.2, 0.5, 1]);
      const faultMillis = random.integer(300, 4000);
      if (faultyUntil[service] > atMillis) continue;
      actions.push({ atMillis, type, service, fault, probability, millis: faultMillis });
      faultyUntil[service] = atMillis + faultMillis;
    }
  }
  return actions;
}

/** One line for who watches. */
export function describeAction(action: Action): string {
  switch (action.type) {
    case 'kill':
      return `SIGKILL to worker ${action.worker + 1}`;
    case 'terminate':
      return `SIGTERM to worker ${action.worker + 1}`;
    case 'pause':
      return `SIGSTOP to worker ${action.worker + 1}, SIGCONT ${seconds(action.millis)} later`;
    case 'cut':
      return `GetMedia: ${percent(action.probability)} of the connections cut ${action.bytes === 0 ? 'at once' : `within ${action.bytes} bytes`}`;
    case 'silence':
      return `GetMedia: ${percent(action.probability)} of the connections silent for ${seconds(action.millis)}`;
    case 'faults':
      return `${action.service}: ${percent(action.probability)} of the requests ${FAULT_TEXTS[action.fault]} for ${seconds(action.millis)}`;
  }
}

const FAULT_TEXTS: Readonly<Record<Fault, string>> = {
  throttled: 'throttled',
  failed: 'answered with 500',
  hang: 'not answered',
  reset: 'reset',
  answerLost: 'done without an answer',
  partial: 'done in part',
};

function seconds(millis: number): string {
  return `${(millis / 1000).toFixed(1)} s`;
}

function percent(probability: number): string {
  return `${Math.round(probability * 100)} %`;
}

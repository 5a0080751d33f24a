import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Random } from '../support/random.ts';
import { frozenCopy, type Item, ServiceError } from './attribute-values.ts';
import { type Outcome, type Policy, randomFaults } from './faults.ts';
import { type Call, Operations, type Units, type Write } from './operations.ts';
import { ABORTED, type Machine, type Scheduled, type VirtualTime } from './time.ts';

export interface SimulatedDynamoDbOptions {
  time: VirtualTime;
  random: Random;
  /** Asked for each request that is sent; short latencies and no faults unless told. */
  policy?: Policy;
  /** How long an index lags behind a write, true milliseconds, asked for each change; 0 unless told. */
  indexDelayMillis?: () => number;
  /** How long a table is being created, true milliseconds; 0 unless told. */
  createTableMillis?: number;
  /** Called with every change that lands. What it throws ends the run. */
  onWrite?: (write: Write) => void;
  /** Called with every request that arrived, refused ones included, and what it has consumed. */
  onRequest?: (call: Call, units: Units) => void;
}

/** What one machine has asked of one operation: requests that arrived, refused ones included. */
export interface Usage extends Units {
  readonly machineId: string;
  readonly operation: string;
  requests: number;
}

/**
 * DynamoDB in virtual time, at the level of the SDK client's `send`. A request has its effect, all at once, some time
 * after it is sent, and is answered some time after that; once sent, it has its effect also if its machine is paused
 * or killed meanwhile, or calls it off. What it does not know ends the run with an UnsupportedError.
 */
export class SimulatedDynamoDb {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #policy: Policy;
  readonly #operations: Operations;
  readonly #onRequest: (call: Call, units: Units) => void;
  readonly #usage = new Map<string, Usage>();

  constructor(options: SimulatedDynamoDbOptions) {
    const { time, random, policy = randomFaults({}) } = options;
    this.#time = time;
    this.#random = random;
    this.#policy = policy;
    this.#onRequest = options.onRequest ?? (() => undefined);
    this.#operations = new Operations({
      time,
      indexDelayMillis: options.indexDelayMillis ?? (() => 0),
      createTableMillis: options.createTableMillis ?? 0,
      onWrite: options.onWrite ?? (() => undefined),
    });
  }

  get usage(): Usage[] {
    return [...this.#usage.values()];
  }

  /** All items as they are now, without a request; they do not change. */
  items(tableName: string): readonly Item[] {
    return this.#operations.tableOf(tableName)?.items ?? [];
  }

  /** One item as it is now, without a request. */
  item(tableName: string, key: string): Item | null {
    return this.#operations.tableOf(tableName)?.get(key) ?? null;
  }

  /** What takes the place of the machine's SDK client. */
  client(machine: Machine): Pick<DynamoDBClient, 'send'> {
    const send = (command: { input: object }, options: { abortSignal?: AbortSignal } = {}) =>
      this.#send(machine, command, options.abortSignal);
    return { send } as unknown as Pick<DynamoDBClient, 'send'>;
  }

  #send(machine: Machine, command: { input: object }, abortSignal?: AbortSignal): Promise<object> {
    if (machine.isKilled) return new Promise(() => undefined);
    if (abortSignal?.aborted) return Promise.reject(ABORTED);
    const operation = command.constructor.name.replace(/Command$/, '');
    const { outcome, requestMillis, responseMillis } = this.#policy({
      machineId: machine.id,
      operation,
      now: this.#time.now,
      random: this.#random,
    });
    const isHalfProcessed = outcome === 'HALF_PROCESSED';
    const call = { machineId: machine.id, operation, input: frozenCopy(command.input), isHalfProcessed };
    return new Promise((resolve, reject) => {
      let response: Scheduled | null = null;
      const abort = () => {
        if (machine.isKilled) return;
        response?.cancel();
        reject(ABORTED);
      };
      abortSignal?.addEventListener('abort', abort, { once: true });
      if (outcome === 'REQUEST_LOST') return;
      this.#time.after(requestMillis, () => {
        const answer = this.#answer(call, outcome);
        if (outcome === 'RESPONSE_LOST' || abortSignal?.aborted) return;
        response = machine.deliver(responseMillis, () => {
          abortSignal?.removeEventListener('abort', abort);
          if (answer instanceof ServiceError) reject(answer);
          else resolve(answer);
        });
      });
    });
  }

  #answer(call: Call, outcome: Outcome): object {
    const units: Units = { readRequestUnits: 0, writeRequestUnits: 0 };
    try {
      const refusal = refusalOf(call, outcome);
      if (refusal !== null && outcome !== 'FAILED_AFTER_EFFECT') return refusal;
      const output = this.#operations.perform(call, units);
      return refusal ?? { ...output, $metadata: { httpStatusCode: 200 } };
    } catch (error) {
      if (error instanceof ServiceError) return error;
      throw error;
    } finally {
      this.#count(call, units);
    }
  }

  #count(call: Call, units: Units): void {
    const usage = this.#usageOf(call);
    usage.requests += 1;
    usage.readRequestUnits += units.readRequestUnits;
    usage.writeRequestUnits += units.writeRequestUnits;
    this.#onRequest(call, units);
  }

  #usageOf({ machineId, operation }: Call): Usage {
    const key = `${machineId}/${operation}`;
    let usage = this.#usage.get(key);
    if (usage === undefined) {
      usage = { machineId, operation, requests: 0, readRequestUnits: 0, writeRequestUnits: 0 };
      this.#usage.set(key, usage);
    }
    return usage;
  }
}

function refusalOf({ operation }: Call, outcome: Outcome): ServiceError | null {
  switch (outcome) {
    case 'THROTTLED':
      return new ServiceError('ThrottlingException', 'Rate exceeded');
    case 'THROUGHPUT_EXCEEDED':
      return throughputExceeded();
    case 'HALF_PROCESSED':
      return operation === 'BatchGetItem' ? null : throughputExceeded();
    case 'FAILED':
    case 'FAILED_AFTER_EFFECT':
      return new ServiceError('InternalServerError', 'Internal server error', 500);
    default:
      return null;
  }
}

function throughputExceeded(): ServiceError {
  return new ServiceError(
    'ProvisionedThroughputExceededException',
    'The level of configured provisioned throughput for the table was exceeded',
  );
}

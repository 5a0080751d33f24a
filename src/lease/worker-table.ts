import { WORKERS, workerKey } from './keys.ts';
import type { LeaseItem } from './lease.ts';
import type { TableClient } from './table-client.ts';
import { parseWorker, type WorkerState, workerItem } from './worker-item.ts';

/** The workers' own items: each is written by its worker alone, and read by all. */
export class WorkerTable {
  readonly #client: TableClient;
  readonly #onInvalid: (error: unknown) => void;

  /** @param options.onInvalid is handed what is wrong with an item that cannot be read; the item is left out */
  constructor(options: { client: TableClient; onInvalid: (error: unknown) => void }) {
    this.#client = options.client;
    this.#onInvalid = options.onInvalid;
  }

  /** Writes a sign of life. One that comes after a later one changes nothing. @returns whether it was written */
  async beat(state: WorkerState, timestampMillis: number, signal: AbortSignal): Promise<boolean> {
    const { leaseKey: _, ...item } = workerItem(state, timestampMillis);
    const names = Object.keys(item);
    return await this.#client.update(
      workerKey(state.workerId),
      {
        UpdateExpression: `SET ${names.map((name) => `${name} = :${name}`).join(', ')}`,
        ConditionExpression: 'attribute_not_exists(heartbeat) OR heartbeat < :heartbeat',
        ExpressionAttributeValues: Object.fromEntries(
          Object.entries(item).map(([name, value]) => [`:${name}`, value]),
        ),
      },
      signal,
    );
  }

  /** All workers, as they were a moment ago. */
  async list(signal: AbortSignal): Promise<WorkerState[]> {
    return (await this.#client.query(WORKERS, signal)).flatMap((item) => this.#parse(item));
  }

  /**
   * A worker as it is now; null if it has gone.
   *
   * @throws {KvsInferenceError} INVALID_LEASE
   */
  async get(workerId: string, signal: AbortSignal): Promise<WorkerState | null> {
    const item = await this.#client.get(workerKey(workerId), signal);
    return item === null ? null : parseWorker(item);
  }

  /** Whether a worker has an item, be it one that cannot be read. */
  async exists(workerId: string, signal: AbortSignal): Promise<boolean> {
    return (await this.#client.get(workerKey(workerId), signal)) !== null;
  }

  /** Forgets a worker, if it has given no sign of life after this one. @returns whether it was forgotten */
  async remove(workerId: string, heartbeat: number, signal: AbortSignal): Promise<boolean> {
    const condition = {
      ConditionExpression: 'heartbeat <= :heartbeat',
      ExpressionAttributeValues: { ':heartbeat': { N: String(heartbeat) } },
    };
    return await this.#client.delete(workerKey(workerId), condition, signal);
  }

  #parse(item: LeaseItem): WorkerState[] {
    try {
      return [parseWorker(item)];
    } catch (error) {
      this.#onInvalid(error);
      return [];
    }
  }
}

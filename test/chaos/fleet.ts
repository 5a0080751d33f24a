import { setTimeout as delay } from 'node:timers/promises';
import type { Departure } from './observation.ts';
import { WorkerProcess, type WorkerProcessOptions } from './worker-process.ts';

export interface FleetOptions extends Omit<WorkerProcessOptions, 'name'> {
  name: string;
  /** Workers that run at once. */
  size: number;
}

/** Fargate's default stop timeout, and a margin for a machine that is busy. */
const STOP_LIMIT_MILLIS = 35_000;
/** A worker that ends by itself is started anew, as ECS does it, but not for ever. */
const MAX_RESTARTS = 3;

/** Workers that share an application. Each has its place, where another one starts when it has ended. */
export class Fleet {
  /** Every worker that was sent a signal to end. */
  readonly departures: Departure[] = [];
  /** What went wrong with the processes. */
  readonly failures: string[] = [];
  readonly #options: FleetOptions;
  readonly #workers: WorkerProcess[] = [];
  #started = 0;
  #restarts = 0;
  #isEnding = false;

  constructor(options: FleetOptions) {
    this.#options = options;
    for (let place = 0; place < options.size; place += 1) this.#start(place);
  }

  /** Ids of the workers that are in the places. */
  get ids(): string[] {
    return this.#workers.map(({ id }) => id);
  }

  /** Whether the worker in the place runs, and is not the only one of several that does. */
  isSpare(place: number): boolean {
    const running = this.#workers.filter(({ state }) => state === 'running').length;
    return this.#at(place).state === 'running' && (running > 1 || this.#options.size === 1);
  }

  /** SIGKILL; another worker starts when the process has ended. */
  async kill(place: number): Promise<void> {
    const worker = this.#at(place);
    this.#depart(worker, 'killed');
    await worker.kill();
    if (!this.#isEnding) this.#start(place);
  }

  /** SIGTERM; another worker starts when the process has ended. */
  async terminate(place: number): Promise<void> {
    await this.#terminate(this.#at(place));
    if (!this.#isEnding) this.#start(place);
  }

  /** SIGSTOP, then SIGCONT. */
  async pause(place: number, millis: number, signal: AbortSignal): Promise<void> {
    const worker = this.#at(place);
    worker.pause();
    await delay(millis, undefined, { signal }).catch(() => undefined);
    worker.resume();
  }

  /** SIGTERM to all, as soon as they can have it. */
  async end(signal: AbortSignal): Promise<void> {
    this.#isEnding = true;
    await Promise.all(
      this.#workers.map(async (worker) => {
        while (worker.state === 'starting' && !signal.aborted) await delay(20);
        await this.#terminate(worker);
      }),
    );
  }

  /** SIGKILL to what still runs. */
  async close(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#workers.map((worker) => worker.kill()));
  }

  #start(place: number): void {
    this.#started += 1;
    const name = `${this.#options.name}-${place + 1}.${this.#started}`;
    const worker = new WorkerProcess({ ...this.#options, name });
    this.#workers[place] = worker;
    void worker.ended.then((end) => {
      if (worker.isAskedToEnd) return;
      this.failures.push(`${worker.name} ended by itself: ${end}`);
      this.#restarts += 1;
      if (this.#restarts <= MAX_RESTARTS && !this.#isEnding) this.#start(place);
    });
  }

  async #terminate(worker: WorkerProcess): Promise<void> {
    if (worker.state === 'ended') return;
    this.#depart(worker, 'terminated');
    worker.terminate();
    const done = new AbortController();
    const limit = delay(STOP_LIMIT_MILLIS, 'late' as const, { signal: done.signal }).catch(
      () => 'done' as const,
    );
    const end = await Promise.race([worker.ended, limit]);
    done.abort();
    if (end === 'late') {
      this.failures.push(`${worker.name} did not end within ${STOP_LIMIT_MILLIS / 1000} s of SIGTERM`);
      await worker.kill();
    } else if (end !== 'exit code 0') {
      this.failures.push(`${worker.name} ended after SIGTERM with ${end}`);
    }
  }

  #depart(worker: WorkerProcess, type: Departure['type']): void {
    this.departures.push({ type, worker: worker.id, atMillis: Date.now() });
  }

  #at(place: number): WorkerProcess {
    const worker = this.#workers[place];
    if (worker === undefined) throw new RangeError(`no worker ${place}`);
    return worker;
  }
}

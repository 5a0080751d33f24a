import type { Queue, QueueAddOptions } from 'p-queue';
import { Turns } from './turns.ts';

type Run = () => Promise<unknown>;

export interface FairQueueOptions extends QueueAddOptions {
  streamName: string;
  /** Before the stream's others, but behind those of them that are `first`, too. */
  first: boolean;
}

/** A stream's tasks by id, in order. */
interface Lanes {
  readonly first: Map<string, Run>;
  readonly others: Map<string, Run>;
}

/** A `queueClass` for p-queue: the streams take turns, and within a stream it is first in, first out. */
export class FairQueue implements Queue<Run, FairQueueOptions> {
  /** Only streams with tasks. */
  readonly #streams = new Map<string, Lanes>();
  readonly #streamNames = new Map<string, string>();
  readonly #turns = new Turns();

  get size(): number {
    return this.#streamNames.size;
  }

  /** p-queue gives every task an id. */
  enqueue(run: Run, { id = '', streamName = '', first = false }: Partial<FairQueueOptions> = {}): void {
    const lanes = this.#streams.get(streamName) ?? { first: new Map(), others: new Map() };
    this.#streams.set(streamName, lanes);
    this.#streamNames.set(id, streamName);
    (first ? lanes.first : lanes.others).set(id, run);
  }

  dequeue(): Run | undefined {
    const streamName = this.#turns.next(this.#streams.keys());
    if (streamName === null) return undefined;
    this.#turns.take(streamName);
    const [[id, run] = []] = this.#tasks(streamName);
    if (id !== undefined) this.remove(id);
    return run;
  }

  remove(id: string): void {
    const streamName = this.#streamNames.get(id);
    if (streamName === undefined) return;
    this.#streamNames.delete(id);
    const lanes = this.#streams.get(streamName);
    lanes?.first.delete(id);
    lanes?.others.delete(id);
    if (lanes?.first.size === 0 && lanes.others.size === 0) this.#streams.delete(streamName);
  }

  filter({ streamName }: Readonly<Partial<FairQueueOptions>>): Run[] {
    const streamNames = streamName === undefined ? this.#streams.keys() : [streamName];
    return [...streamNames].flatMap((name) => [...this.#tasks(name)].map(([, run]) => run));
  }

  /** @throws {Error} always: turns are taken, not given */
  setPriority(): void {
    throw new Error('a fair queue has no priorities');
  }

  *#tasks(streamName: string): Generator<[string, Run]> {
    const lanes = this.#streams.get(streamName);
    if (lanes === undefined) return;
    yield* lanes.first;
    yield* lanes.others;
  }
}

import type { Clock } from '../../src/core/clock.ts';
import { EventQueue } from './event-queue.ts';

/** What is to come; can be called off. */
export interface Scheduled {
  cancel(): void;
}

/** What a machine waits for: its own timers, or an answer from outside. */
type Kind = 'timer' | 'answer';

interface VirtualEvent {
  at: number;
  sequence: number;
  /** Null for what happens whatever becomes of any machine. */
  readonly machine: Machine | null;
  readonly kind: Kind;
  /** Null once it has run or was called off. */
  run: (() => void) | null;
}

export interface MachineOptions {
  id: string;
  /** Milliseconds that its clocks go on in a true millisecond. */
  rate?: number;
  /** How far its wall clock is off, milliseconds. */
  wallClockOffsetMillis?: number;
}

/** What the wall clock of a machine without offset shows when the simulation begins. */
export const EPOCH_MILLIS = 1_700_000_000_000;

/** So many events, then the process may see to its signals and timers. */
const EVENTS_PER_TURN = 1024;

/**
 * Time that goes on from event to event, as fast as they can be run. The same program gives the same run, as long as
 * it takes time and chance from here alone: no timers, no input or output, no `Math.random`.
 */
export class VirtualTime {
  readonly #events = new EventQueue<VirtualEvent>();
  #now = 0;
  #eventCount = 0;

  /** True time, milliseconds since the simulation began. */
  get now(): number {
    return this.#now;
  }

  /** Events that have run. */
  get eventCount(): number {
    return this.#eventCount;
  }

  /** Runs something outside of all machines. */
  after(millis: number, run: () => void): Scheduled {
    return this.schedule(this.#now + millis, null, 'answer', run);
  }

  /** A machine that starts now. */
  machine(options: MachineOptions): Machine {
    return new Machine(this, options);
  }

  /** For machines. */
  schedule(at: number, machine: Machine | null, kind: Kind, run: () => void): Scheduled {
    const event: VirtualEvent = { at: Math.max(at, this.#now), sequence: 0, machine, kind, run };
    this.#events.add(event);
    return {
      cancel: () => {
        event.run = null;
      },
    };
  }

  /** For machines that go on: the event comes now. */
  reschedule(event: VirtualEvent): void {
    event.at = this.#now;
    this.#events.add(event);
  }

  /**
   * Runs all events up to and with this time, each until nothing can go on without the next one.
   *
   * @param onStep called after each event: what holds at every step is checked here, and machines are paused and killed
   * @throws what an event or `onStep` throws
   */
  async run(untilMillis: number, onStep: () => void = () => undefined): Promise<void> {
    await settled();
    for (;;) {
      const event = this.#events.peek();
      if (event === undefined || event.at > untilMillis) break;
      this.#events.removeFirst();
      const { run } = event;
      if (run === null) continue;
      this.#now = event.at;
      if (event.machine !== null && !event.machine.isReadyFor(event)) continue;
      event.run = null;
      run();
      await settled();
      this.#eventCount += 1;
      onStep();
      if (this.#eventCount % EVENTS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#now = Math.max(this.#now, untilMillis);
  }
}

/**
 * Resolves when every chain of promises stands still, however long it is: it is awaited from a microtask, and Node.js
 * runs what `process.nextTick` is given there only when no microtask is left. Three times as fast as `setImmediate`,
 * but blind to what the chains themselves give to `process.nextTick`: they must not.
 */
function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/**
 * A process on a machine of its own, with clocks of its own. All that it does, it does in answer to one of its events:
 * the one it is started with (`deliver`), its timers (`sleep`), answers from outside (`deliver`). So it stands still
 * when they are held back, and is dead when they are dropped.
 */
export class Machine implements Clock {
  readonly id: string;
  /** May be set: wall clocks jump. */
  wallClockOffsetMillis: number;
  readonly #time: VirtualTime;
  readonly #rate: number;
  readonly #startedAt: number;
  /** The last timer's time: what follows it must not be before it because of a rounding error. */
  #reached = 0;
  #state: 'RUNNING' | 'PAUSED' | 'KILLED' = 'RUNNING';
  #held: VirtualEvent[] = [];

  constructor(time: VirtualTime, { id, rate = 1, wallClockOffsetMillis = 0 }: MachineOptions) {
    this.id = id;
    this.wallClockOffsetMillis = wallClockOffsetMillis;
    this.#time = time;
    this.#rate = rate;
    this.#startedAt = time.now;
  }

  get isPaused(): boolean {
    return this.#state === 'PAUSED';
  }

  get isKilled(): boolean {
    return this.#state === 'KILLED';
  }

  now(): number {
    const before = EPOCH_MILLIS + this.#startedAt + this.wallClockOffsetMillis;
    return Math.floor(before + this.monotonic());
  }

  /** Since the machine started. Goes on while it is paused. */
  monotonic(): number {
    return Math.max(this.#reached, (this.#time.now - this.#startedAt) * this.#rate);
  }

  /**
   * As Node.js's timers do: at least 1 ms, whole milliseconds of a clock without fractions, therefore up to 1 ms early
   * by `monotonic`; and 1 ms for what is no number of milliseconds below 2^31, such as `Infinity`.
   */
  sleep(millis: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(ABORTED);
    const whole = millis >= 1 && millis < 2 ** 31 ? Math.trunc(millis) : 1;
    const due = Math.floor(this.monotonic()) + whole;
    return new Promise((resolve, reject) => {
      const abort = () => {
        if (this.isKilled) return;
        timer.cancel();
        reject(ABORTED);
      };
      const timer = this.#time.schedule(this.#startedAt + due / this.#rate, this, 'timer', () => {
        signal?.removeEventListener('abort', abort);
        this.#reached = Math.max(this.#reached, due);
        resolve();
      });
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Runs something of this machine, such as its program, or what becomes of an answer that arrives then (true time). */
  deliver(millis: number, run: () => void): Scheduled {
    return this.#time.schedule(this.#time.now + millis, this, 'answer', run);
  }

  /** As SIGSTOP does: nothing of it runs, its clocks go on. */
  pause(): void {
    if (this.#state === 'RUNNING') this.#state = 'PAUSED';
  }

  /**
   * As SIGCONT does: what was due comes now.
   *
   * @param first the event loop may have stood where its timers are next, or where answers are
   */
  resume(first: Kind = 'timer'): void {
    if (this.#state !== 'PAUSED') return;
    this.#state = 'RUNNING';
    const held = this.#held;
    this.#held = [];
    for (const event of held) if (event.kind === first) this.#time.reschedule(event);
    for (const event of held) if (event.kind !== first) this.#time.reschedule(event);
  }

  /** As SIGKILL does: nothing of it ever runs again; what it waits for never settles. */
  kill(): void {
    this.#state = 'KILLED';
    this.#held = [];
  }

  /** For the time: whether an event of this machine can run; one that comes while it is paused is kept. */
  isReadyFor(event: VirtualEvent): boolean {
    if (this.#state === 'PAUSED') this.#held.push(event);
    return this.#state === 'RUNNING';
  }
}

/** What a request or a sleep rejects with that is called off. One for all: to make one takes longer than the rest. */
export const ABORTED = new DOMException('The operation was aborted', 'AbortError');

import { EndpointControl } from '../../src/inference/endpoint-control.ts';
import { type Machine, VirtualTime } from '../simulation/time.ts';
import { recorded } from '../support/services.ts';
import { askAbout, roomyQueue } from './ask-about.ts';

/** What an endpoint does with a call, in virtual time: it resolves or fails as SageMaker's client does. */
export type Model = (frame: number, run: { machine: Machine; inFlight: number }) => Promise<void>;

export interface Options {
  model: Model;
  maxConcurrency?: number;
  maxAttempts?: number;
  isLossless?: boolean;
}

/** What became of a frame, and when; virtual milliseconds since the beginning. */
export interface Ending {
  readonly frame: number;
  readonly type: 'answered' | 'failed';
  readonly attempts: number;
  readonly arrivedAt: number;
  readonly endedAt: number;
}

/** The shipped control of an endpoint that is simulated, on virtual time. */
export function simulate(options: Options) {
  const { model, maxConcurrency = 20, maxAttempts = 5, isLossless = true } = options;
  const time = new VirtualTime();
  const machine = time.machine({ id: 'worker' });
  const observed = recorded(machine);
  const common = { ...observed, clock: machine };
  const queue = roomyQueue();
  const control = new EndpointControl({ ...common, queue, maxConcurrency });
  const { signal } = new AbortController();
  const endings: Ending[] = [];
  const starts: number[] = [];
  let inFlight = 0;
  let frames = 0;
  const call = async (frame: number) => {
    starts.push(time.now);
    inFlight += 1;
    try {
      await model(frame, { machine, inFlight });
    } finally {
      inFlight -= 1;
    }
  };
  /** A frame, numbered from 0. */
  const ask = async () => {
    const frame = frames;
    frames += 1;
    const arrivedAt = time.now;
    const settings = () => ({ maxAttempts, isLossless });
    const { type, attempts } = await askAbout({
      ...common,
      queue,
      control,
      streamName: 'front',
      settings,
      call: () => call(frame),
      signal,
    });
    endings.push({ frame, type, attempts, arrivedAt, endedAt: time.now });
  };
  return {
    ...observed,
    time,
    control,
    queue,
    endings,
    /** When calls started. */
    starts,
    ask: () => void ask(),
    /** A frame every so often, as long as time goes on. */
    askEvery: (millis: number, untilMillis = Number.POSITIVE_INFINITY) => {
      const next = () => {
        if (time.now > untilMillis) return;
        void ask();
        time.after(millis, next);
      };
      next();
    },
    /** So many frames are always inside. */
    keepAsking: (inside: number) => {
      const one = async () => {
        for (;;) await ask();
      };
      for (let index = 0; index < inside; index += 1) void one();
    },
  };
}

/** An error of the service. */
export function serviceError(name: string, httpStatusCode: number): Error {
  return Object.assign(new Error(`${name} happened`), { name, $metadata: { httpStatusCode } });
}

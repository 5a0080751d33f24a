import { ByteBudget } from '../../src/inference/byte-budget.ts';
import { type CallOutcome, FrameCalls, type FrameCallsOptions } from '../../src/inference/frame-calls.ts';
import { FrameQueue, type Place } from '../../src/inference/queue.ts';

/** A queue with room for all frames. */
export function roomyQueue(): FrameQueue {
  return new FrameQueue({
    limits: { size: 100_000, maxWaitingPerStream: 0, fullPolicy: 'block' },
    concurrency: 1,
    budget: new ByteBudget(100_000).share(),
  });
}

export interface FrameOptions<T> extends FrameCallsOptions {
  queue: FrameQueue;
  call: () => Promise<T>;
  signal: AbortSignal;
}

type Ending<T> = Exclude<CallOutcome<T>, { type: 'retry' }>;

/** A frame's way from the queue to its answer or its failure, as the pipeline goes it, without a picture. */
export async function askAbout<T>(options: FrameOptions<T>): Promise<Ending<T>> {
  const { queue, streamName, signal } = options;
  return await new Promise((resolve, reject) => {
    const run = (place: Place) => askUntilEnd(options, place).then(resolve, reject);
    queue.enter({ streamName, bytes: 1, draining: signal, run }, signal).catch(reject);
  });
}

async function askUntilEnd<T>(options: FrameOptions<T>, place: Place): Promise<Ending<T>> {
  const { control, clock, call, signal } = options;
  const calls = new FrameCalls(options);
  const attempt = () => calls.attempt(call, signal);
  let outcome = await place.inSlot(attempt);
  while (outcome.type === 'retry') {
    const { delayMillis } = outcome;
    outcome = await place.inSlot(attempt, {
      first: control.isClosed,
      delay: (givenUp) => clock.sleep(delayMillis, givenUp),
    });
  }
  return outcome;
}

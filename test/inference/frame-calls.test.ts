import { EndpointControl } from '../../src/inference/endpoint-control.ts';
import { FrameCalls } from '../../src/inference/frame-calls.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recorded } from '../support/services.ts';
import { askAbout, roomyQueue } from './ask-about.ts';
import { serviceError } from './simulated-endpoint.ts';

const settings = () => ({ maxAttempts: 2, isLossless: false });

function start(maxConcurrency = 4) {
  const clock = new ManualClock();
  const observed = recorded(clock);
  const queue = roomyQueue();
  const control = new EndpointControl({ ...observed, clock, queue, maxConcurrency });
  const calls = () => new FrameCalls({ ...observed, clock, control, streamName: 'front', settings });
  return { ...observed, observed, clock, queue, control, calls };
}

const { signal: never } = new AbortController();
const refuse = () => Promise.reject(serviceError('ThrottlingException', 400));

test('tells the answer, another attempt and the end apart', async () => {
  const { calls, total } = start();
  expect(await calls().attempt(async () => 'answer', never)).toEqual({
    type: 'answered',
    answer: 'answer',
    attempts: 1,
  });
  const frame = calls();
  expect(await frame.attempt(refuse, never)).toMatchObject({
    type: 'retry',
    attempts: 1,
    error: { name: 'ThrottlingException' },
  });
  expect(await frame.attempt(refuse, never)).toMatchObject({ type: 'failed', attempts: 2 });
  expect([total('Throttles', 'front'), total('InvocationRetries', 'front')]).toEqual([2, 1]);
});

test('an attempt that is called off says nothing of the endpoint', async () => {
  const { calls, control, total } = start();
  const over = new AbortController();
  const hanging = new Promise<never>((_resolve, reject) => {
    over.signal.addEventListener('abort', () => reject(serviceError('ThrottlingException', 400)));
  });
  const attempt = calls().attempt(() => hanging, over.signal);
  over.abort();
  await expect(attempt).rejects.toThrow('ThrottlingException');
  expect([control.concurrency, total('Throttles')]).toEqual([4, 0]);
  await expect(calls().attempt(async () => 'answer', over.signal)).rejects.toThrow('aborted');
});

test('a probe that is called off leaves room for the next one', async () => {
  const { calls, clock, control, queue, observed } = start();
  const down = () => {
    clock.advance(500);
    return Promise.reject(serviceError('InternalFailure', 500));
  };
  for (let index = 0; index < 5; index += 1) await calls().attempt(down, never);
  expect(control.isClosed).toBe(false);
  const turns: string[] = [];
  const over = new AbortController();
  const hanging = new Promise<never>((_resolve, reject) => {
    over.signal.addEventListener('abort', () => reject(new Error('over')));
  });
  const frame = { ...observed, clock, queue, control, streamName: 'front', settings };
  const first = askAbout({ ...frame, call: () => hanging, signal: over.signal }).catch(() =>
    turns.push('first'),
  );
  const second = askAbout({ ...frame, call: async () => turns.push('second'), signal: never });
  await clock.pass(1000);
  expect(turns).toEqual([]);
  over.abort();
  await Promise.all([first, second]);
  expect(turns.toSorted()).toEqual(['first', 'second']);
  expect(control.isClosed).toBe(true);
});

test('an endpoint that throttles even one call at once holds up the slot, until called off', async () => {
  const { calls, clock } = start(1);
  const over = new AbortController();
  let isOver = false;
  const attempt = calls()
    .attempt(refuse, over.signal)
    .finally(() => {
      isOver = true;
    });
  await new Promise(setImmediate);
  expect(isOver).toBe(false);
  clock.advance(200);
  expect(await attempt).toMatchObject({ type: 'retry', delayMillis: 0 });

  const calledOff = calls().attempt(refuse, over.signal);
  await new Promise(setImmediate);
  over.abort();
  await expect(calledOff).rejects.toThrow('aborted');
});

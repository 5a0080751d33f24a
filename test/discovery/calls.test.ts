import { PacedCalls } from '../../src/discovery/calls.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { HastyClock, recorded } from '../support/services.ts';

const { signal } = new AbortController();
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('are evenly paced, and not slower than need be', async () => {
  const clock = new ManualClock();
  const calls = new PacedCalls({ clock, log: recorded(clock).log, callsPerSecond: 20 });
  const times: number[] = [];
  const call = () => calls.call('Call', async () => void times.push(clock.monotonic()), signal);
  const advance = async (millis: number) => {
    for (let passed = 0; passed < millis; passed += 25) {
      await settled();
      clock.advance(25);
    }
  };
  const first = Promise.all([call(), call(), call()]);
  await advance(250);
  await first;
  expect(times).toEqual([0, 50, 100]);
  const later = Promise.all([call(), call()]);
  await advance(100);
  await later;
  expect(times.slice(3)).toEqual([250, 300]);
});

test('are given up when they are not answered', async () => {
  const clock = new HastyClock();
  const { log, lines } = recorded(clock);
  const calls = new PacedCalls({ clock, log, callsPerSecond: 20 });
  const silent = (abort: AbortSignal) =>
    new Promise<never>((_resolve, reject) => abort.addEventListener('abort', () => reject(abort.reason)));
  await expect(calls.call('Call', silent, signal)).rejects.toMatchObject({ code: 'TIMEOUT' });
  const retry = { level: 'debug', operation: 'Call', error: 'TIMEOUT' };
  expect(lines).toEqual([1, 2, 3].map((attempts) => expect.objectContaining({ ...retry, attempts })));
});

test('end with the signal while they wait for their turn', async () => {
  const clock = new ManualClock();
  const calls = new PacedCalls({ clock, log: recorded(clock).log, callsPerSecond: 20 });
  const controller = new AbortController();
  await calls.call('Call', async () => undefined, signal);
  const waiting = calls.call('Call', async () => 'made', controller.signal);
  await settled();
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
});

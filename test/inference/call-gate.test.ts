import { getEventListeners } from 'node:events';
import { CallGate } from '../../src/inference/call-gate.ts';
import { never, turn } from './queue-jobs.ts';

/** Comes to the gate, and remembers what became of it. */
function come(gate: CallGate, signal = never) {
  const frame: { end: boolean | string | null } = { end: null };
  gate.pass(signal).then(
    (hasPassed) => {
      frame.end = hasPassed;
    },
    (reason: unknown) => {
      frame.end = String(reason);
    },
  );
  return frame;
}

test('so many pass as the limit says, in the order in which they came', async () => {
  const gate = new CallGate(2);
  const frames = [1, 2, 3, 4].map(() => come(gate));
  const ends = () => frames.map(({ end }) => end);
  await turn();
  expect(ends()).toEqual([true, true, null, null]);
  gate.leave();
  await turn();
  expect(ends()).toEqual([true, true, true, null]);
  gate.limit = 1;
  gate.leave();
  await turn();
  expect(ends()).toEqual([true, true, true, null]);
  gate.limit = 2;
  await turn();
  expect(ends()).toEqual([true, true, true, true]);
});

test('when it is closed, those before it are sent away, and who comes then', async () => {
  const gate = new CallGate(1);
  const frames = [1, 2].map(() => come(gate));
  gate.isOpen = false;
  frames.push(come(gate));
  await turn();
  expect(frames.map(({ end }) => end)).toEqual([true, false, false]);
  gate.isOpen = true;
  gate.leave();
  const next = come(gate);
  await turn();
  expect(next.end).toBe(true);
});

test('who waits goes when the signal aborts; who need not wait passes all the same', async () => {
  const gate = new CallGate(1);
  const draining = new AbortController();
  const [first, second] = [come(gate), come(gate, draining.signal)];
  draining.abort('draining');
  const third = come(gate, draining.signal);
  await turn();
  expect([first, second, third].map(({ end }) => end)).toEqual([true, 'draining', 'draining']);
  gate.leave();
  const fourth = come(gate, draining.signal);
  await turn();
  expect(fourth.end).toBe(true);
  expect(getEventListeners(draining.signal, 'abort')).toHaveLength(0);
});

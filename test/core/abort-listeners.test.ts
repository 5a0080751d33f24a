import { getEventListeners } from 'node:events';
import { AbortListeners } from '../../src/core/abort-listeners.ts';

test('a signal has one listener, however many there are', () => {
  const listeners = new AbortListeners();
  const [one, other] = [new AbortController(), new AbortController()];
  const called: string[] = [];
  for (const name of ['a', 'b', 'c']) listeners.add(one.signal, () => called.push(name));
  listeners.add(other.signal, () => called.push('d'));
  expect(getEventListeners(one.signal, 'abort')).toHaveLength(1);
  one.abort();
  expect(called).toEqual(['a', 'b', 'c']);
});

test('what is removed is not called, and nothing is left when there is nothing to call', () => {
  const listeners = new AbortListeners();
  const { signal } = new AbortController();
  const [first, second] = [() => {}, () => {}];
  listeners.add(signal, first);
  listeners.add(signal, second);
  listeners.remove(signal, first);
  listeners.remove(signal, first);
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  listeners.remove(signal, second);
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});

test('what one removes while the signal aborts is not called any more', () => {
  const listeners = new AbortListeners();
  const end = new AbortController();
  let isCalled = false;
  const second = () => {
    isCalled = true;
  };
  listeners.add(end.signal, () => listeners.remove(end.signal, second));
  listeners.add(end.signal, second);
  end.abort();
  expect(isCalled).toBe(false);
});

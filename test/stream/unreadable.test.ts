import { KvsInferenceError } from '../../src/core/errors.ts';
import { MatroskaError } from '../../src/matroska/error.ts';
import { UnreadableFragments } from '../../src/stream/unreadable.ts';

const corrupt = new MatroskaError('INVALID_BLOCK', 'SimpleBlock', 7, 'is wrong');
const endless = new KvsInferenceError('NO_FRAGMENT', 'no end');

/** Whether it is skipped at each of the readings, which end at these times. */
function skips(error: unknown, times: readonly number[], fragmentNumber = '1'): boolean[] {
  const unreadable = new UnreadableFragments(() => 1000);
  return times.map((time) => unreadable.shouldSkip(fragmentNumber, error, time));
}

test('a corrupt fragment is skipped at the third reading', () => {
  expect(skips(corrupt, [0, 1, 2])).toEqual([false, false, true]);
});

test('one without an end may still be being recorded: it is given time, too', () => {
  expect(skips(endless, [0, 100, 200, 999, 1000])).toEqual([false, false, false, false, true]);
  expect(skips(endless, [0, 2000, 4000])).toEqual([false, false, true]);
});

test('what is no fault of the fragment does not count', () => {
  const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET' });
  expect(skips(reset, [0, 5000, 10_000, 15_000])).toEqual([false, false, false, false]);
});

test('each fragment has its own readings', () => {
  const unreadable = new UnreadableFragments(() => 1000);
  const numbers = ['1', '1', '2', '2', '2'];
  expect(numbers.map((number) => unreadable.shouldSkip(number, corrupt, 0))).toEqual([
    ...[false, false],
    ...[false, false, true],
  ]);
});

import { isAbort } from '../../src/cli/worker.ts';
import { systemClock as clock, withTimeout } from '../../src/core/clock.ts';
import { KvsInferenceError } from '../../src/core/errors.ts';

const caught = (operation: Promise<unknown>) =>
  operation.then(
    () => null,
    (error: unknown) => error,
  );

test('an operation that was given up is no failure, also as a part of another one', async () => {
  const error = await caught(clock.sleep(60_000, AbortSignal.abort()));
  expect(isAbort(error)).toBe(true);
  expect(isAbort(new KvsInferenceError('PARAMETER_UNREADABLE', 'not read', { cause: error }))).toBe(true);
});

test('what fails while a worker ends is one, and so is a time-out', async () => {
  expect(isAbort(new Error('mistake'))).toBe(false);
  expect(isAbort(undefined)).toBe(false);
  const { signal } = new AbortController();
  const timeOut = await caught(withTimeout(clock, 1, signal, (limited) => clock.sleep(60_000, limited)));
  expect(timeOut).toMatchObject({ code: 'TIMEOUT' });
  expect(isAbort(timeOut)).toBe(false);
});

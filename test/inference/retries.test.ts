import { type Attempts, afterFailure, type FailedAttempt, NO_ATTEMPTS } from '../../src/inference/retries.ts';

/** Fails this often in a row. */
function failing(times: number, failed: Partial<FailedAttempt>) {
  const decisions: string[] = [];
  let attempts: Attempts = NO_ATTEMPTS;
  for (let index = 0; index < times; index += 1) {
    const after = afterFailure(attempts, {
      failure: 'unavailable',
      maxAttempts: 3,
      isLossless: true,
      othersSucceeded: false,
      ...failed,
    });
    attempts = after.attempts;
    decisions.push(after.decision.type);
  }
  return { attempts, decisions };
}

test('in lossless mode an error is final only after attempts between which others succeeded', () => {
  expect(failing(100, {}).attempts).toEqual({ made: 100, counted: 0 });
  expect(failing(100, {}).decisions).not.toContain('fail');
  expect(failing(3, { othersSucceeded: true }).decisions).toEqual(['retry', 'retry', 'fail']);
});

test('in lossless mode no frame fails because it was throttled', () => {
  expect(failing(100, { failure: 'throttled', othersSucceeded: true }).decisions).not.toContain('fail');
});

test('in live mode every attempt counts', () => {
  expect(failing(3, { isLossless: false }).decisions).toEqual(['retry', 'retry', 'fail']);
});

test.each([true, false])('what is final is so at once (lossless: %s)', (isLossless) => {
  expect(failing(1, { failure: 'final', isLossless }).decisions).toEqual(['fail']);
});

test('the delay has full jitter and doubles up to five seconds', () => {
  const failed = { failure: 'throttled', maxAttempts: 5, isLossless: true, othersSucceeded: false } as const;
  const delayAfter = (made: number, chance: number) =>
    afterFailure({ made: made - 1, counted: 0 }, failed, () => chance).decision;
  const longest = [1, 2, 3, 4, 5, 6, 100].map((made) => delayAfter(made, 1));
  expect(longest).toEqual(
    [200, 400, 800, 1600, 3200, 5000, 5000].map((delayMillis) => ({ type: 'retry', delayMillis })),
  );
  expect(delayAfter(6, 0)).toEqual({ type: 'retry', delayMillis: 0 });
  expect(delayAfter(6, 0.5)).toEqual({ type: 'retry', delayMillis: 2500 });
});

import { CircuitBreaker } from '../../src/inference/circuit-breaker.ts';

const [A, B] = [{}, {}];

/** Calls of half a second that fail, one after the other. @returns whether the last one opened the breaker */
function fail(breaker: CircuitBreaker, frames: object[], { from = 0, isProbe = false } = {}): boolean {
  const opened = frames.map((frame, index) => {
    const startedAt = from + index * 500;
    return breaker.unavailable({ frame, isProbe, startedAt, endedAt: startedAt + 500 });
  });
  expect(opened.slice(0, -1)).not.toContain(true);
  return opened.at(-1) ?? false;
}

/** With the longest delays. */
function openBreaker(): CircuitBreaker {
  const breaker = new CircuitBreaker(() => 0);
  expect(fail(breaker, [A, B, A, B, A])).toBe(true);
  return breaker;
}

test('opens at the fifth failure in a row', () => {
  expect(openBreaker().state).toBe('OPEN');
});

test('an answer in between starts the count anew', () => {
  const breaker = new CircuitBreaker();
  expect(fail(breaker, [A, B, A, B])).toBe(false);
  expect(breaker.answered()).toBe(false);
  expect(fail(breaker, [A, B, A, B])).toBe(false);
  expect(breaker.state).toBe('CLOSED');
});

test('many calls that are cut at the same moment are no outage', () => {
  const breaker = new CircuitBreaker();
  const cut = (frame: object) => breaker.unavailable({ frame, isProbe: false, startedAt: 0, endedAt: 400 });
  expect(Array.from({ length: 50 }, (_, index) => cut(index % 2 === 0 ? A : B))).not.toContain(true);
});

test('one frame alone opens it only after half a minute', () => {
  const breaker = new CircuitBreaker();
  expect(fail(breaker, Array(59).fill(A))).toBe(false);
  expect(fail(breaker, [A], { from: 29_500 })).toBe(true);
});

test('half open, one failed probe opens it again, and a late failure of another call does not', () => {
  const breaker = openBreaker();
  breaker.halfOpen();
  expect(fail(breaker, [A])).toBe(false);
  expect(breaker.state).toBe('HALF_OPEN');
  expect(fail(breaker, [B], { isProbe: true })).toBe(true);
  expect(breaker.state).toBe('OPEN');
  expect(fail(breaker, [B], { isProbe: true })).toBe(false);
});

test.each(['OPEN', 'HALF_OPEN'])('any answer closes it (%s)', (state) => {
  const breaker = openBreaker();
  if (state === 'HALF_OPEN') breaker.halfOpen();
  expect(breaker.state).toBe(state);
  expect(breaker.answered()).toBe(true);
  expect(breaker.state).toBe('CLOSED');
  expect(fail(breaker, [A, B, A, B])).toBe(false);
});

test('stays open for one second, then twice as long each time up to thirty, up to half of it less', () => {
  const breaker = openBreaker();
  const delays = [breaker.delayMillis()];
  for (let opening = 0; opening < 6; opening += 1) {
    breaker.halfOpen();
    fail(breaker, [A], { isProbe: true });
    delays.push(breaker.delayMillis());
  }
  expect(delays).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);

  const lucky = new CircuitBreaker(() => 1);
  fail(lucky, [A, B, A, B, A]);
  expect(lucky.delayMillis()).toBe(500);
});

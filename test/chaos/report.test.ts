import { compareIds } from './comparison.ts';
import { gapsText, isGood } from './report.ts';

test.each([
  [{ millis: [], open: 0 }, 'none'],
  [{ millis: [], open: 2 }, 'none, 2 not read again'],
  [{ millis: [3000, 100, 240], open: 0 }, 'median 0.24 s, worst 3.00 s (3 streams)'],
  [{ millis: [100], open: 1 }, 'median 0.10 s, worst 0.10 s (1 streams, 1 not read again)'],
])('gaps in words: %j', (gaps, text) => {
  expect(gapsText(gaps)).toBe(text);
});

test('good is only what has published all that is due, and nothing else', () => {
  const isGoodFor = (reference: string[], ids: string[], failures: string[] = []) =>
    isGood({ comparison: compareIds(reference, ids), failures });
  expect(isGoodFor(['a', 'b'], ['b', 'a', 'a'])).toBe(true);
  expect(isGoodFor(['a', 'b'], ['b'])).toBe(false);
  expect(isGoodFor(['a'], ['a', 'b'])).toBe(false);
  expect(isGoodFor(['a'], ['a'], ['a worker ended by itself'])).toBe(false);
  expect(isGoodFor([], [])).toBe(false);
});

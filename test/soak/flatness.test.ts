import { Random } from '../support/random.ts';
import { trendOf } from './flatness.ts';

const TOLERANCE = { share: 0.05, least: 5 };

/** A value a minute. */
function points(values: readonly number[]) {
  return values.map((value, index) => ({ millis: index * 60_000, value }));
}

function repeated<T>(times: number, value: (index: number) => T): T[] {
  return Array.from({ length: times }, (_, index) => value(index));
}

test('what warms up and then stays is flat', () => {
  const warmingUp = repeated(15, (index) => 200 * (1 - 2 ** -index));
  expect(trendOf(points(warmingUp), TOLERANCE)).toMatchObject({ isFlat: true, start: 0 });
});

test('a handle that is left behind in each round is growth', () => {
  const trend = trendOf(points(repeated(15, (index) => 50 + index)), TOLERANCE);
  expect(trend).toMatchObject({ isFlat: false, start: 50, end: 64, firstHalf: 53, secondHalf: 60.5 });
  expect(trend.growth).toBeCloseTo(7);
  expect(trend.tolerated).toBe(5);
});

test('a slow leak is found below noise that is larger than its steps', () => {
  const random = new Random(1);
  const noisy = (leak: number) => repeated(16, (index) => 100 + leak * index + random.between(-3, 3));
  expect(trendOf(points(noisy(2)), TOLERANCE).isFlat).toBe(false);
  expect(trendOf(points(noisy(0)), TOLERANCE).isFlat).toBe(true);
});

test('one value that is far off, in the middle or at the end, is none', () => {
  const [middle, end] = [repeated(16, () => 100), repeated(16, () => 100)];
  middle[12] = 500;
  end[15] = 500;
  expect(trendOf(points(middle), TOLERANCE)).toMatchObject({ isFlat: true, growth: 0, max: 500 });
  expect(trendOf(points(end), TOLERANCE)).toMatchObject({ isFlat: true, growth: 0, end: 500 });
});

test('what shrinks is flat, and of a large figure its share is tolerated', () => {
  expect(trendOf(points(repeated(10, (index) => 1000 - index * 20)), TOLERANCE).isFlat).toBe(true);
  const large = trendOf(points(repeated(9, (index) => 1000 + index * 10)), TOLERANCE);
  expect(large).toMatchObject({ isFlat: true, tolerated: 53 });
});

test('too few points say nothing', () => {
  expect(() => trendOf(points([1, 2, 3, 4, 5, 6]), TOLERANCE)).toThrow('too few points: 6');
});

import { StreamHistory } from '../../../src/demo/page/history.ts';
import type { ShownStream } from '../../../src/demo/state.ts';

function streamState(changes: Partial<ShownStream>): ShownStream {
  return {
    streamName: 'parking',
    fragments: 0,
    iFrames: 0,
    sampled: 0,
    published: 0,
    parsed: 0,
    failed: 0,
    lagMillis: null,
    picture: null,
    ...changes,
  };
}

test('averages counts that come in bursts into a steady rate', () => {
  const history = new StreamHistory();
  for (let second = 0; second <= 40; second += 1) {
    const fragments = Math.floor(second / 5) * 10;
    history.add(second * 1000, streamState({ fragments, published: Math.floor(second / 10) * 5 }));
  }
  const isSteady = (rates: (number | null)[]) => new Set(rates.slice(20)).size === 1;
  expect(history.series('fragmentsPerSecond').at(-1)).toBe(2);
  expect(history.series('publishedPerSecond').at(-1)).toBe(0.5);
  expect(isSteady(history.series('fragmentsPerSecond'))).toBe(true);
  expect(isSteady(history.series('publishedPerSecond'))).toBe(true);
});

test('has no rate before it has watched for five seconds', () => {
  const history = new StreamHistory();
  for (const second of [60, 62, 64.9, 65]) {
    history.add(second * 1000, streamState({ fragments: second * 2, lagMillis: second }));
  }
  expect(history.series('fragmentsPerSecond')).toEqual([null, null, null, 2]);
  expect(history.series('lagMillis')).toEqual([60, 62, 64.9, 65]);
});

test('counts a rate over the time that has really passed', () => {
  const history = new StreamHistory();
  history.add(0, streamState({ fragments: 0 }));
  history.add(60_000, streamState({ fragments: 30 }));
  expect(history.series('fragmentsPerSecond').at(-1)).toBe(0.5);
});

test('forgets what is older than two minutes', () => {
  const history = new StreamHistory();
  for (let second = 0; second <= 300; second += 1) history.add(second * 1000, streamState({}));
  expect(history.ages.length).toBe(121);
  expect(history.ages[0]).toBe(-120_000);
  expect(history.ages.at(-1)).toBe(0);
  expect(history.series('lagMillis').length).toBe(121);
});

test('has no rate of a count that is not known', () => {
  const history = new StreamHistory();
  for (let second = 0; second <= 20; second += 1) {
    history.add(second * 1000, streamState({ fragments: null, published: second, lagMillis: 5 }));
  }
  expect(history.series('fragmentsPerSecond').every((rate) => rate === null)).toBe(true);
  expect(history.series('publishedPerSecond').at(-1)).toBe(1);
  expect(history.series('lagMillis').at(-1)).toBe(5);
});

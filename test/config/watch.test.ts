import { type GoodConfig, parseConfig } from '../../src/config/parse.ts';
import type { Config } from '../../src/config/resolve.ts';
import { watchConfig } from '../../src/config/watch.ts';
import { HastyClock, recorded } from '../support/services.ts';

const FIRST = {
  streamNames: ['a'],
  sageMakerEndpoint: 'one',
  kdsStreamName: 'results',
  failoverTimeInMilli: 2000,
};

function good(keys: Record<string, unknown>): GoodConfig {
  const parsed = parseConfig(JSON.stringify(keys));
  if (parsed.config === null) throw new Error('not good');
  return parsed;
}

/** Reads these texts, one after the other; an error is thrown. */
async function watch(texts: (string | Error)[]) {
  const clock = new HastyClock();
  const observed = recorded(clock);
  const end = new AbortController();
  const applied: Config[] = [];
  const beats: number[] = [];
  const rest = texts.values();
  await watchConfig(
    {
      read: async () => {
        const { value, done } = rest.next();
        if (done) end.abort();
        if (done) return JSON.stringify(FIRST);
        if (value instanceof Error) throw value;
        return value;
      },
      origin: 'ssm:app',
      initial: good(FIRST),
      apply: (config) => applied.push(config),
      beat: (pauseMillis) => beats.push(pauseMillis),
      clock,
      ...observed,
    },
    end.signal,
  );
  const said = observed.lines
    .map(({ level, msg }) => `${level} ${msg}`)
    .filter((line) => !line.endsWith(' metrics'));
  return { ...observed, applied, beats, said, clock };
}

test('a valid change is applied, and each key named with its old and its new value', async () => {
  const next = { ...FIRST, streamNames: ['a', 'b'], inferenceInterval: 2, mode: 'live' };
  const { applied, said, lines } = await watch([
    JSON.stringify(FIRST),
    JSON.stringify(next),
    JSON.stringify(next),
  ]);
  expect(applied).toHaveLength(2);
  expect(applied[0]).toMatchObject({
    inferenceInterval: 2,
    maxFrameAgeInMilli: 5000,
    streamNames: ['a', 'b'],
  });
  expect(said.slice(0, 3)).toEqual([
    'info configuration changed: streamNames: ["a"] → ["a","b"]',
    'info configuration changed: inferenceInterval: 6 → 2',
    'info configuration changed: mode: (default) → "live"',
  ]);
  expect(lines[0]).toMatchObject({ key: 'streamNames', before: ['a'], after: ['a', 'b'] });
});

test('an invalid one is refused whole with all its problems, once, and counted until it is mended', async () => {
  const bad = JSON.stringify({
    ...FIRST,
    inferenceInterval: 0,
    sageMakerTaskQueueSize: 'x',
    streamNames: ['b'],
  });
  const { applied, said, total } = await watch([bad, bad, bad, JSON.stringify(FIRST)]);
  expect(applied).toEqual([]);
  expect(total('ConfigErrors')).toBe(3);
  expect(said).toHaveLength(2);
  expect(said[0]).toMatch(/^error configuration refused, the last good one stays: ssm:app: 2 problems/);
  expect(said[0]).toContain('inferenceInterval: 0, expected at least 1');
  expect(said[0]).toContain('sageMakerTaskQueueSize: "x", expected a number');
  expect(said[1]).toBe('info configuration is right again');
});

test('what cannot be read changes nothing', async () => {
  const { applied, said, total } = await watch([
    new Error('away'),
    JSON.stringify({ ...FIRST, inferenceInterval: 2 }),
  ]);
  expect(total('ConfigErrors')).toBe(1);
  expect(said[0]).toBe('warn configuration cannot be read again, the last good one stays: away');
  expect(applied[0]).toMatchObject({ inferenceInterval: 2 });
});

test('what a fleet agreed on at its start stays until the next one', async () => {
  const { applied, said } = await watch([
    JSON.stringify({ ...FIRST, failoverTimeInMilli: 9000, inferenceInterval: 2 }),
  ]);
  expect(applied[0]).toMatchObject({ failoverTimeInMilli: 2000, inferenceInterval: 2 });
  expect(said).toContain(
    'warn configuration changed, takes effect at the next start: failoverTimeInMilli: 2000 → 9000',
  );
});

test('it is read again as often as it says itself', async () => {
  const { beats, clock } = await watch([
    JSON.stringify({ ...FIRST, configRefreshIntervalInMilli: 5000 }),
    JSON.stringify(FIRST),
  ]);
  expect(clock.sleeps.filter((millis) => millis === 30_000 || millis === 5000)).toEqual([
    30_000, 5000, 30_000,
  ]);
  expect(beats).toEqual([30_000, 5000, 30_000]);
});

import { type Config, resolve, type TagFilters } from '../../src/config/resolve.ts';
import { configKeys } from '../../src/config/schema.ts';
import type { Discovery } from '../../src/discovery/discovered-stream.ts';
import { Health } from '../../src/worker/health.ts';
import { SamplingPlans } from '../../src/worker/sampling-plans.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recorded } from '../support/services.ts';

const STREET: TagFilters = [{ key: 'Place', values: ['Street'] }];
const nothing: Discovery = { streams: [], isComplete: false };

function found(...names: string[]): Discovery {
  return { streams: names.map((streamName) => ({ streamName, streamArn: null })), isComplete: true };
}

function configOf(endpoints: unknown[] | undefined, keys: Record<string, unknown> = {}): Config {
  const kit = endpoints === undefined ? { sageMakerEndpoint: 'one' } : { endpoints };
  return resolve(configKeys.parse({ streamNames: ['a', 'b'], kdsStreamName: 'results', ...kit, ...keys }));
}

/** Answers look-ups by tag, one after the other; the last one again and again. */
function newPlans(config: Config, answers: Array<Discovery | Promise<Discovery>> = []) {
  const clock = new ManualClock();
  const observed = recorded(clock);
  const end = new AbortController();
  let current = config;
  let lookUps = 0;
  const health = new Health(clock);
  const plans = new SamplingPlans({
    config: () => current,
    beat: (pauseMillis) => health.beat('plans', pauseMillis),
    findTagged: () => ({
      find: async () => {
        lookUps += 1;
        return (answers.length > 1 ? answers.shift() : answers[0]) ?? nothing;
      },
    }),
    clock,
    ...observed,
  });
  const running = plans.run(end.signal);
  return {
    ...observed,
    clock,
    health,
    plans,
    names: (streamName: string) => plans.planFor(streamName)?.endpoints.map(({ name }) => name) ?? null,
    lookUps: () => lookUps,
    configure: (next: Config) => {
      current = next;
      plans.configChanged();
    },
    end: async () => {
      end.abort();
      await running;
    },
  };
}

test('the KIT keys are one endpoint for every stream, which ids do not name', async () => {
  const { plans, end } = newPlans(configOf(undefined, { inferenceInterval: 3 }));
  expect(plans.planFor('a')).toEqual({
    endpoints: [{ name: 'one', acceptContentType: 'image/jpeg', inferenceInterval: 3 }],
    namesEndpoints: false,
  });
  expect(plans.planFor('a')).toBe(plans.planFor('a'));
  await end();
});

test('each endpoint gets the streams that it names, by name or ARN', async () => {
  const arn = 'arn:aws:kinesisvideo:us-east-1:000000000000:stream/b/1700000000000';
  const { plans, names, end } = newPlans(
    configOf([{ name: 'x', streams: ['a', arn] }, { name: 'y', streams: ['b'] }, { name: 'z' }]),
  );
  expect([names('a'), names('b'), names('c')]).toEqual([['x', 'z'], ['x', 'y', 'z'], ['z']]);
  expect(plans.planFor('a')?.namesEndpoints).toBe(true);
  await end();
});

test('a stream whose tags are not known yet has no plan; what is not known is asked for again soon', async () => {
  const config = configOf([
    { name: 'x', streams: ['a', ...STREET] },
    { name: 'y', streams: ['b'] },
  ]);
  const { clock, names, lookUps, end } = newPlans(config, [nothing, found('b')]);
  await eventually(() => lookUps() === 1);
  expect([names('a'), names('b')]).toEqual([['x'], null]);
  await eventually(() => {
    clock.advance(5000);
    return names('b') !== null;
  });
  expect(names('b')).toEqual(['x', 'y']);
  await end();
});

test('a stream that comes after the last look-up is looked up at once: it may have been tagged since', async () => {
  const config = configOf([{ name: 'x', streams: STREET }, { name: 'all' }]);
  const { clock, names, lookUps, end } = newPlans(config, [found(), found('new')]);
  await eventually(() => lookUps() === 1);
  clock.advance(1000);
  expect(names('new')).toBeNull();
  await eventually(() => names('new') !== null);
  expect([names('new'), lookUps()]).toEqual([['x', 'all'], 2]);
  await end();
});

test('what can be asked counts, also while something else cannot', async () => {
  const config = configOf([{ name: 'x', streams: STREET }]);
  const { names, lookUps, end } = newPlans(config, [{ ...found('mine'), isComplete: false }]);
  await eventually(() => lookUps() === 1);
  expect([names('mine'), names('other')]).toEqual([['x'], null]);
  await end();
});

test('tags are looked up as often as the streams are', async () => {
  const config = configOf([
    { name: 'x', streams: STREET },
    { name: 'y', streams: ['a'] },
  ]);
  const { clock, names, lookUps, end } = newPlans(config, [found('b'), found('b'), found()]);
  await eventually(() => names('b')?.length === 1);
  await eventually(() => lookUps() === 2);
  clock.advance(59_999);
  expect([lookUps(), names('b')]).toEqual([2, ['x']]);
  clock.advance(1);
  await eventually(() => names('b')?.length === 0);
  await end();
});

test('a changed configuration is in force at once, and tags that it needs are looked up', async () => {
  const { names, lines, lookUps, configure, end } = newPlans(configOf(undefined), [found('b')]);
  expect(names('b')).toEqual(['one']);
  configure(configOf([{ name: 'x', streams: STREET }]));
  await eventually(() => names('b') !== null);
  expect([names('a'), names('b'), lookUps()]).toEqual([[], ['x'], 1]);
  expect(names('a')).toEqual([]);
  expect(lines).toEqual([
    expect.objectContaining({ level: 'warn', streamName: 'a', msg: expect.stringContaining('no endpoint') }),
  ]);
  await end();
});

test('a look-up may take long, but not for ever; between two it is healthy', async () => {
  const config = configOf([{ name: 'x', streams: STREET }], { leaseSyncIntervalInMilli: 3_600_000 });
  const { clock, health, lookUps, end } = newPlans(config, [found()]);
  await eventually(() => lookUps() === 1);
  await clock.pass(3_600_000);
  expect(health.problems()).toEqual([]);
  await end();
  const hanging = newPlans(config, [new Promise<never>(() => undefined)]);
  await hanging.clock.pass(20 * 60_000);
  expect(hanging.health.problems()).toEqual([]);
  await hanging.clock.pass(1);
  expect(hanging.health.problems()).toEqual([{ loop: 'plans', lateMillis: 1 }]);
});

import { parseConfig } from '../../src/config/parse.ts';
import { selections } from '../../src/config/resolve.ts';

const KIT = { streamNames: ['a'], sageMakerEndpoint: 'one', kdsStreamName: 'results' };

function parsed(keys: Record<string, unknown>) {
  return parseConfig(JSON.stringify({ ...KIT, ...keys }));
}

function withEndpoints(endpoints: unknown[], keys: Record<string, unknown> = {}) {
  const { sageMakerEndpoint: _, ...kit } = KIT;
  return parseConfig(JSON.stringify({ ...kit, endpoints, ...keys }));
}

const LOSSLESS = {
  mode: 'lossless',
  queueFullPolicy: 'block',
  maxFrameAgeInMilli: 0,
  maxWaitingFramesPerStream: 0,
};
const LIVE = {
  mode: 'live',
  queueFullPolicy: 'dropOldest',
  maxFrameAgeInMilli: 5000,
  maxWaitingFramesPerStream: 2,
};

test.each([
  [{}, LOSSLESS],
  [{ mode: 'lossless' }, LOSSLESS],
  [{ mode: 'live' }, LIVE],
  [
    { mode: 'live', maxFrameAgeInMilli: 2000 },
    { ...LIVE, maxFrameAgeInMilli: 2000 },
  ],
  [
    { mode: 'live', maxWaitingFramesPerStream: 9 },
    { ...LIVE, maxWaitingFramesPerStream: 9 },
  ],
  [
    { mode: 'lossless', maxWaitingFramesPerStream: 9 },
    { ...LOSSLESS, maxWaitingFramesPerStream: 9 },
  ],
  // Without a mode the single keys decide: frames may be dropped.
  [{ queueFullPolicy: 'dropOldest' }, { ...LOSSLESS, mode: 'live', queueFullPolicy: 'dropOldest' }],
  [{ maxFrameAgeInMilli: 700 }, { ...LOSSLESS, mode: 'live', maxFrameAgeInMilli: 700 }],
])('%j', (keys, expected) => {
  expect(parsed(keys).config).toMatchObject(expected);
});

test.each([
  [{ mode: 'live', queueFullPolicy: 'block' }, 'queueFullPolicy', '"dropOldest", as mode is "live"'],
  [{ mode: 'live', maxFrameAgeInMilli: 0 }, 'maxFrameAgeInMilli', 'at least 1, as mode is "live"'],
  [
    { mode: 'live', maxWaitingFramesPerStream: 0 },
    'maxWaitingFramesPerStream',
    'at least 1, as mode is "live"',
  ],
  [{ mode: 'lossless', queueFullPolicy: 'dropOldest' }, 'queueFullPolicy', '"block", as mode is "lossless"'],
  [{ mode: 'lossless', maxFrameAgeInMilli: 5 }, 'maxFrameAgeInMilli', '0, as mode is "lossless"'],
  [{ endpoints: [{ name: 'two' }] }, 'sageMakerEndpoint', 'the name of one of the endpoints, or nothing'],
])('the contradiction %j is refused', (keys, key, expected) => {
  const { config, problems } = parsed(keys);
  expect(config).toBeNull();
  expect(problems).toEqual([expect.objectContaining({ key, expected })]);
});

test('sageMakerEndpoint, which the stack always gives, may stand beside endpoints of which it is one', () => {
  const { config } = parsed({ sageMakerEndpoint: 'one', endpoints: [{ name: 'one' }, { name: 'two' }] });
  expect(config?.endpoints.map(({ name }) => name)).toEqual(['one', 'two']);
});

test('contradictions are named together with what is wrong by itself', () => {
  const { problems } = parsed({ mode: 'live', queueFullPolicy: 'block', inferenceInterval: 0 });
  expect(problems.map(({ key }) => key)).toEqual(['inferenceInterval', 'queueFullPolicy']);
});

test('the KIT keys are the shorthand for one endpoint', () => {
  const { config } = parsed({ inferenceInterval: 3, sageMakerTargetModel: 'm.tar.gz' });
  expect(config?.endpoints).toEqual([
    {
      name: 'one',
      acceptContentType: 'image/jpeg',
      inferenceInterval: 3,
      streams: null,
      targetVariant: null,
      targetModel: 'm.tar.gz',
      inferenceComponent: null,
    },
  ]);
});

test('each endpoint has what it says, and the rest from the keys of the whole', () => {
  const { config } = withEndpoints(
    [
      { name: 'cars', acceptContentType: 'image/png', streams: ['b', { key: 'Place', values: ['Street'] }] },
      { name: 'people', inferenceInterval: 1, inferenceComponent: 'c' },
    ],
    { inferenceInterval: 9, sageMakerTargetVariant: 'v' },
  );
  expect(config?.endpoints).toMatchObject([
    { name: 'cars', acceptContentType: 'image/png', inferenceInterval: 9, targetVariant: 'v' },
    { name: 'people', acceptContentType: 'image/jpeg', inferenceInterval: 1, inferenceComponent: 'c' },
  ]);
  expect(config?.endpoints.map(({ streams }) => streams)).toEqual([
    { streamNames: ['b'], tagFilters: [{ key: 'Place', values: ['Street'] }] },
    null,
  ]);
  expect(config === null ? [] : selections(config)).toEqual([
    { streamNames: ['a'], tagFilters: [] },
    { streamNames: ['b'], tagFilters: [{ key: 'Place', values: ['Street'] }] },
  ]);
});

test.each([
  ['two of a name', [{ name: 'x' }, { name: 'x' }], 'endpoints[1].name'],
  ['none at all', [], 'endpoints'],
  ['streams that are only empty names', [{ name: 'x', streams: [''] }], 'endpoints[0].streams'],
  ['a key that there is not', [{ name: 'x', nom: 'y' }], 'endpoints[0].nom'],
  ['a stream that is none', [{ name: 'x', streams: [7] }], 'endpoints[0].streams[0]'],
  [
    'a content type that is none',
    [{ name: 'x', acceptContentType: 'text/html' }],
    'endpoints[0].acceptContentType',
  ],
])('endpoints: %s', (_name, endpoints, key) => {
  const { config, problems } = withEndpoints(endpoints);
  expect(config).toBeNull();
  expect(problems.map((problem) => problem.key)).toEqual([key]);
});

test('streams may be named by the endpoints alone, but somewhere', () => {
  expect(withEndpoints([{ name: 'x', streams: ['b'] }], { streamNames: [] }).config).not.toBeNull();
  expect(withEndpoints([{ name: 'x' }], { streamNames: [] }).problems).toMatchObject([
    { key: 'streamNames' },
  ]);
});

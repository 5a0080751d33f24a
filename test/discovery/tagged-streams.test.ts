import type { TagFilters } from '../../src/config/resolve.ts';
import { matchesTags } from '../../src/discovery/tagged-streams.ts';
import { awsError } from '../support/http-server.ts';
import { type Account, json, startAccount } from './account.ts';

const front = { key: 'Location', values: ['Front'] };

let account: Account;

beforeEach(async () => {
  account = await startAccount();
});

afterEach(() => account.close());

const names = (found: { streams: readonly { streamName: string }[] }) =>
  found.streams.map(({ streamName }) => streamName);

const cameras = (count: number, tags: Record<string, string> = { Location: 'Front' }) => {
  const names = Array.from({ length: count }, (_, index) => `camera-${String(index).padStart(4, '0')}`);
  for (const name of names) account.create(name, tags);
  return names;
};

/** Refuses GetResources as a role without that permission is refused. */
const refuseTagging = () => {
  account.intercept = ({ operation }) =>
    operation === 'GetResources' ? awsError('AccessDeniedException') : null;
};

const FILTERS: Array<[string, TagFilters, string[]]> = [
  ['one value', [front], ['door']],
  ['any value of a filter', [{ key: 'Location', values: ['Front', 'Parking'] }], ['door', 'gate']],
  [
    'all filters',
    [
      { key: 'Location', values: ['Front', 'Parking'] },
      { key: 'Kind', values: ['outdoor'] },
    ],
    ['gate'],
  ],
  ['a filter without values', [{ key: 'Kind', values: [] }], ['attic', 'door', 'gate', 'hall']],
  ['an empty value', [{ key: 'Kind', values: [''] }], ['attic']],
  ['a value that nothing has', [{ key: 'Kind', values: ['Indoor'] }], []],
  ['a key that every object of the language has', [{ key: 'constructor', values: [] }], []],
];

const TAGS: Record<string, Record<string, string>> = {
  door: { Location: 'Front', Kind: 'indoor' },
  gate: { Location: 'Parking', Kind: 'outdoor' },
  hall: { Location: 'Back', Kind: 'indoor' },
  attic: { Kind: '' },
  cellar: {},
};

describe.each([
  ['GetResources', () => undefined],
  ['the tags of each stream', refuseTagging],
])('by %s', (_way, prepare) => {
  test.each(FILTERS)('%s', async (_name, tagFilters, expected) => {
    prepare();
    for (const [name, tags] of Object.entries(TAGS)) account.create(name, tags);
    const found = await account.discovery({ tagFilters }).discover();
    expect(found.isComplete).toBe(true);
    expect(names(found)).toEqual(expected);
    const arns = new Map(account.kinesisVideo.streams().map(({ name, arn }) => [name, arn]));
    for (const { streamName, streamArn } of found.streams) expect(streamArn).toBe(arns.get(streamName));
  });

  test('what has been tagged, and no longer what is gone', async () => {
    prepare();
    const { discover } = account.discovery({ tagFilters: [front] });
    const door = account.create('door', { Location: 'Front' });
    expect(names(await discover())).toEqual(['door']);
    await account.delete(door);
    account.create('porch', { Location: 'Front' });
    expect(names(await discover())).toEqual(['porch']);
  });
});

test.each(FILTERS)('matching %s', (_name, tagFilters, expected) => {
  const matching = Object.keys(TAGS).filter((name) => matchesTags(TAGS[name] ?? {}, tagFilters));
  expect(matching.sort()).toEqual(expected);
});

test('asks nothing when there are no filters', async () => {
  account.create('door', { Location: 'Front' });
  await expect(account.discovery({}).discover()).resolves.toEqual({ streams: [], isComplete: true });
  expect(account.calls).toEqual([]);
});

test.each([
  [100, 1],
  [101, 2],
  [250, 3],
])('finds %i streams in %i pages', async (count, pages) => {
  const all = cameras(count);
  expect(names(await account.discovery({ tagFilters: [front] }).discover())).toEqual(all);
  expect(account.counts()).toEqual({ GetResources: pages });
});

test('asks only for video streams, and leaves out what is none', async () => {
  account.create('door', { Location: 'Front' });
  account.resources = [
    { arn: 'arn:aws:kinesisvideo:us-east-1:123456789012:channel/bell/1', tags: { Location: 'Front' } },
    { arn: 'arn:aws:kinesis:us-east-1:123456789012:stream/results', tags: { Location: 'Front' } },
    { arn: 'arn:aws:kinesisvideo:us-east-1:123456789012:stream/odd', tags: { Location: 'Front' } },
  ];
  expect(names(await account.discovery({ tagFilters: [front] }).discover())).toEqual(['door']);
});

test('keeps what it has when a page cannot be had, and says so', async () => {
  const all = cameras(2);
  const { discover, taken, errors } = account.discovery({ tagFilters: [front] });
  await discover();
  for (let index = 2; index < 150; index += 1) account.create(`later-${index}`, { Location: 'Front' });
  account.intercept = ({ input }) =>
    input['PaginationToken'] === undefined ? null : awsError('ThrottledException');
  const found = await discover();
  expect(names(found)).toEqual(all);
  expect(found.isComplete).toBe(false);
  expect(account.counts()).toEqual({ GetResources: 1 + 1 + 4 });
  expect(taken('error')).toEqual([expect.objectContaining({ error: 'ThrottledException', streams: 2 })]);
  expect(errors()).toBe(1);
  account.intercept = () => null;
  await expect(discover()).resolves.toMatchObject({ isComplete: true });
});

describe('where GetResources is not permitted', () => {
  beforeEach(refuseTagging);

  test('leaves it to the log of what is denied to say so', async () => {
    account.create('door', { Location: 'Front' });
    const { discover, taken, errors } = account.discovery({ tagFilters: [front] });
    expect(names(await discover())).toEqual(['door']);
    expect([taken('warn'), taken('error')]).toEqual([[], []]);
    expect(errors()).toBe(0);
  });

  test('pages through the streams, and asks each once', async () => {
    const all = cameras(1001, { Location: 'Back' });
    account.create('door', { Location: 'Front' });
    expect(names(await account.discovery({ tagFilters: [front] }).discover())).toEqual(['door']);
    expect(account.counts()).toEqual({
      GetResources: 1,
      listStreams: 2,
      listTagsForStream: all.length + 1,
    });
  });

  test('pages through the tags', async () => {
    account.create('door');
    const pages = [{ Tags: { Kind: 'indoor' }, NextToken: 'more' }, { Tags: { Location: 'Front' } }];
    account.intercept = ({ operation, input }) => {
      if (operation === 'GetResources') return awsError('AccessDeniedException');
      if (operation !== 'listTagsForStream') return null;
      return json(pages[input['NextToken'] === 'more' ? 1 : 0]);
    };
    const tagFilters = [front, { key: 'Kind', values: [] }];
    expect(names(await account.discovery({ tagFilters }).discover())).toEqual(['door']);
  });

  test('leaves out a stream that is being deleted, or is gone when it is asked', async () => {
    const StreamInfoList = ['door', 'gate', 'hall'].map((name) => ({
      StreamName: name,
      StreamARN: account.create(name, { Location: 'Front' }),
      Status: name === 'gate' ? 'DELETING' : 'ACTIVE',
    }));
    await account.delete(StreamInfoList[2]?.StreamARN ?? '');
    account.intercept = ({ operation }) => {
      if (operation === 'GetResources') return awsError('AccessDeniedException');
      return operation === 'listStreams' ? json({ StreamInfoList }) : null;
    };
    const found = await account.discovery({ tagFilters: [front] }).discover();
    expect(found).toMatchObject({ isComplete: true, streams: [{ streamName: 'door' }] });
    expect(found.streams).toHaveLength(1);
  });

  test.each([
    ['a failure', awsError('InternalFailure', 500), false],
    // To ask again cannot help.
    ['a refusal', awsError('NotAuthorizedException', 401), true],
  ])('after %s a stream is as it was', async (_name, answer, isComplete) => {
    const door = account.create('door', { Location: 'Front' });
    account.create('gate', { Location: 'Front' });
    const { discover, taken, errors } = account.discovery({ tagFilters: [front] });
    await discover();
    const hall = account.create('hall', { Location: 'Front' });
    account.intercept = ({ operation, input }) => {
      if (operation === 'GetResources') return awsError('AccessDeniedException');
      return [door, hall].includes(String(input['StreamARN'])) ? answer : null;
    };
    const found = await discover();
    expect(found.isComplete).toBe(isComplete);
    expect(names(found)).toEqual(['door', 'gate']);
    expect(taken('error')).toEqual([expect.objectContaining({ count: 2, streams: [door, hall] })]);
    expect(errors()).toBe(2);
  });

  test('asks for the tags of every stream, also where many may not be seen', async () => {
    const hidden = new Set(cameras(60).map((name) => account.create(`hidden-${name}`)));
    account.intercept = ({ operation, input }) => {
      const isRefused = operation === 'GetResources' || hidden.has(String(input['StreamARN']));
      return isRefused ? awsError('AccessDeniedException') : null;
    };
    account.create('porch', { Location: 'Front' });
    const found = await account.discovery({ tagFilters: [front] }).discover();
    expect(found.streams).toHaveLength(61);
    expect(account.counts()).toMatchObject({ listTagsForStream: 121 });
  });

  test('nor anything else: names what is missing, and keeps what it has', async () => {
    account.create('door', { Location: 'Front' });
    const { discover, taken, errors } = account.discovery({ tagFilters: [front] });
    await discover();
    account.intercept = () => awsError('AccessDeniedException', 403);
    const found = await discover();
    expect(found.isComplete).toBe(false);
    expect(names(found)).toEqual(['door']);
    expect(taken('error')).toEqual([
      expect.objectContaining({ msg: expect.stringMatching(/tag:GetResources.*kinesisvideo:ListStreams/) }),
    ]);
    expect(errors()).toBe(1);
  });
});

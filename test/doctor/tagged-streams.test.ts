import { type Answer, awsError } from '../support/http-server.ts';
import { type Aws, accessDenied, arnOf, json, startAws } from './aws.ts';

let aws: Aws;

beforeEach(async () => {
  aws = await startAws();
});

afterEach(() => aws.close());

beforeEach(() =>
  aws.putConfig({ tagFilters: [{ key: 'Location', values: ['Front', 'Side'] }, { key: 'Camera' }] }),
);

test('filters that match nothing are a warning', async () => {
  aws.answer('GetResources', json({ ResourceTagMappingList: [], PaginationToken: '' }));
  expect(await aws.troubles()).toMatchObject([
    {
      check: 'GetResources',
      target: 'Location=Front|Side and Camera',
      result: 'warning',
      detail: 'no stream matches',
    },
  ]);
});

test('several pages: all streams are described, media is asked for of ten, none twice', async () => {
  const names = ['front', ...Array.from({ length: 14 }, (_, index) => `side-${index}`)];
  aws.answers['GetResources'] = ({ body }) => {
    const page = Number(JSON.parse(body.toString()).PaginationToken || 0);
    const ResourceTagMappingList = names.slice(page, page + 10).map((name) => ({ ResourceARN: arnOf(name) }));
    return json({ ResourceTagMappingList, PaginationToken: page === 0 ? '10' : '' });
  };
  const all = await aws.findings();
  expect(all).toContainEqual(
    expect.objectContaining({ check: 'GetResources', detail: expect.stringMatching(/^15 streams match/) }),
  );
  const targets = (check: string) =>
    all.filter((finding) => finding.check === check).map(({ target }) => target);
  expect(targets('DescribeStream').sort()).toEqual(names.sort());
  expect(targets('GetMedia')).toHaveLength(11);
});
test('of a stream that was created again, the last one; nothing of what is no stream', async () => {
  const again = arnOf('side').replace(/\d+$/, '1800000000000');
  const channel = 'arn:aws:kinesisvideo:us-east-1:123456789012:channel/bell/1';
  const resources = [again, arnOf('side'), channel].map((ResourceARN) => ({ ResourceARN }));
  aws.answer('GetResources', json({ ResourceTagMappingList: resources }));
  expect(await aws.findings()).toContainEqual(
    expect.objectContaining({ check: 'GetResources', detail: '1 stream matches' }),
  );
  const described = aws.requests('DescribeStream').map(({ body }) => JSON.parse(body.toString()));
  expect(described).toContainEqual({ StreamARN: again });
  expect(described).toHaveLength(2);
});

test.each<[string, Answer, string]>([
  ['gone', awsError('ResourceNotFoundException', 404), 'there is no such stream in this account and region'],
  ['going', json({ StreamInfo: { Status: 'DELETING', StreamARN: arnOf('side') } }), 'it is being deleted'],
])('a stream that is %s, but whose tags are still listed, is a warning', async (_name, given, problem) => {
  const { DescribeStream } = aws.answers;
  aws.answers['DescribeStream'] = (request, url) =>
    request.body.includes('side') ? given : (DescribeStream?.(request, url) ?? {});
  expect(await aws.troubles()).toMatchObject([
    { target: 'side', result: 'warning', detail: `${problem}: only its tags are still listed` },
  ]);
  expect(aws.requests('GetDataEndpoint')).toHaveLength(1);
});

describe('without tag:GetResources', () => {
  const STATEMENT = { Effect: 'Allow', Action: 'tag:GetResources', Resource: '*' };
  const LISTED = [
    { StreamARN: arnOf('attic'), Status: 'ACTIVE' },
    { StreamARN: arnOf('side'), Status: 'ACTIVE' },
    { StreamARN: arnOf('old'), Status: 'DELETING' },
  ];
  const fallback = {
    check: 'GetResources',
    result: 'warning',
    detail: expect.stringMatching(
      /^without this permission each stream .* asked for its tags: AccessDeniedException: User/,
    ),
    statement: STATEMENT,
  };

  beforeEach(() => {
    aws.answer('GetResources', accessDenied('tag:GetResources', '*'));
    aws.answer('ListStreams', json({ StreamInfoList: LISTED }));
    aws.answers['ListTagsForStream'] = ({ body }) =>
      json({ Tags: body.includes('side') ? { Camera: 'yes', Location: 'Side' } : { Camera: 'yes' } });
  });

  test('each stream of the account is asked for its tags, as the worker does', async () => {
    expect(await aws.troubles()).toMatchObject([fallback]);
    const all = await aws.findings();
    expect(all).toContainEqual(
      expect.objectContaining({ check: 'ListTagsForStream', detail: '1 stream matches' }),
    );
    const read = all.filter(({ check }) => check === 'GetMedia').map(({ target }) => target);
    expect(read).toEqual(['front', 'side']);
  });

  test('where the streams may not be listed either, none can be found', async () => {
    aws.answer('ListStreams', accessDenied('kinesisvideo:ListStreams', '*'));
    expect(await aws.troubles()).toMatchObject([
      fallback,
      { check: 'ListStreams', result: 'error', remedy: expect.stringContaining('tag:GetResources') },
    ]);
  });

  test.each([
    ['of one stream', 'attic', 'warning', '1 stream matches; the tags of 1 of 2'],
    ['of any stream', '', 'error', 'no stream matches; the tags of 2 of 2'],
  ])('where the tags %s may not be had', async (_name, refused, result, problem) => {
    const { ListTagsForStream } = aws.answers;
    aws.answers['ListTagsForStream'] = (request, url) =>
      request.body.includes(refused)
        ? awsError('NotAuthorizedException', 401)
        : (ListTagsForStream?.(request, url) ?? {});
    expect(await aws.troubles()).toMatchObject([
      fallback,
      {
        check: 'ListTagsForStream',
        result,
        detail: expect.stringContaining(`${problem} streams cannot be had`),
        statement: null,
      },
    ]);
    const read = aws.requests('GetMedia').map(({ body }) => JSON.parse(body.toString()).StreamARN);
    expect(read).toEqual([arnOf('front'), ...(result === 'warning' ? [arnOf('side')] : [])]);
  });

  test('where they match nothing, it is a warning', async () => {
    aws.answer('ListTagsForStream', json({ Tags: {} }));
    expect(await aws.troubles()).toMatchObject([
      fallback,
      { check: 'ListTagsForStream', result: 'warning', detail: 'no stream matches' },
    ]);
  });
});

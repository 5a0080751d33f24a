import {
  GetResourcesCommand,
  type GetResourcesCommandInput,
  paginateGetResources,
  ResourceGroupsTaggingAPIClient,
} from '@aws-sdk/client-resource-groups-tagging-api';
import {
  DescribeParametersCommand,
  GetParameterCommand,
  PutParameterCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import type { Config } from '../../src/config/schema.ts';
import { AwsJsonError, serveAwsJson } from '../../src/emulator/aws-json.ts';
import type { LocalService } from '../../src/emulator/dynamo-db.ts';
import { Parameters } from '../../src/emulator/parameters.ts';
import { type TaggedResource, taggingOperations } from '../../src/emulator/tagging.ts';
import { StreamDiscovery, streamNameOfArn } from '../../src/stream/discover.ts';
import { HastyClock, localClient, recorded } from '../support/services.ts';

const { signal } = new AbortController();

let resources: TaggedResource[];
/** Pages of GetResources that are answered before it is throttled, and those that were asked for. */
let pagesGiven: number;
let pagesAsked: number;
let parameters: Parameters;
let service: LocalService;
let ssm: SSMClient;
let tagging: ResourceGroupsTaggingAPIClient;

beforeEach(async () => {
  resources = [];
  pagesGiven = Number.POSITIVE_INFINITY;
  pagesAsked = 0;
  parameters = new Parameters();
  const operations = taggingOperations(() => {
    pagesAsked += 1;
    if (pagesAsked > pagesGiven) throw new AwsJsonError('ThrottledException', 'Too many calls.');
    return resources;
  });
  service = await serveAwsJson({ ...parameters.operations, ...operations });
  ssm = new SSMClient(localClient(service.url));
  tagging = new ResourceGroupsTaggingAPIClient(localClient(service.url));
});

afterEach(async () => {
  ssm.destroy();
  tagging.destroy();
  await service.close();
});

/** A resource of the account; `stream/door/1` is a video stream. */
function resource(path: string, tags: Record<string, string>, aws = 'kinesisvideo'): TaggedResource {
  return { arn: `arn:aws:${aws}:us-east-1:000000000000:${path}`, tags };
}

const stream = (name: string, tags: Record<string, string>) => resource(`stream/${name}/1700000000000`, tags);

const put = (Name: string, Value: string, Overwrite?: boolean) =>
  ssm.send(new PutParameterCommand({ Name, Value, Type: 'String', Overwrite }));
const get = async (Name: string) => (await ssm.send(new GetParameterCommand({ Name }))).Parameter;

describe('SSM', () => {
  test('gives what was put, with a version that rises', async () => {
    await expect(put('/app/config', '{"a":"é"}')).resolves.toMatchObject({ Version: 1 });
    const first = { Name: '/app/config', Value: '{"a":"é"}', Type: 'String', Version: 1 };
    await expect(get('/app/config')).resolves.toEqual(first);
    await expect(put('/app/config', 'new', true)).resolves.toMatchObject({ Version: 2 });
    await expect(get('/app/config')).resolves.toMatchObject({ Value: 'new', Version: 2 });
    parameters.set('/app/config', 'newer');
    await expect(get('/app/config')).resolves.toMatchObject({ Value: 'newer', Version: 3 });
  });

  test('overwrites only when it is told to', async () => {
    await put('config', 'first');
    await expect(put('config', 'second')).rejects.toMatchObject({ name: 'ParameterAlreadyExists' });
    await expect(get('config')).resolves.toMatchObject({ Value: 'first', Version: 1 });
  });

  test('has no parameter that was not put', async () => {
    await expect(get('config')).rejects.toMatchObject({
      name: 'ParameterNotFound',
      message: expect.stringContaining('config'),
      $metadata: { httpStatusCode: 400 },
    });
  });

  test('holds 8,192 bytes, not characters', async () => {
    await put('config', 'é'.repeat(4096));
    await expect(put('config', 'é'.repeat(4097), true)).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining('8192'),
    });
    await expect(get('config')).resolves.toMatchObject({ Version: 1 });
  });

  test.each([
    ['no name', new GetParameterCommand({ Name: undefined }), 'Name'],
    ['an empty name', new PutParameterCommand({ Name: '', Value: 'value' }), 'Name'],
    ['no value', new PutParameterCommand({ Name: 'config', Value: undefined }), 'Value'],
    [
      'a type that there is not',
      new PutParameterCommand({ Name: 'a', Value: 'b', Type: 'X' as never }),
      'Type',
    ],
  ])('refuses %s, naming the member', async (_name, command, member) => {
    await expect(ssm.send(command as PutParameterCommand)).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining(member),
    });
  });
});

test('an operation that is not served is named', async () => {
  await expect(ssm.send(new DescribeParametersCommand({}))).rejects.toMatchObject({
    name: 'UnknownOperationException',
    message: expect.stringContaining('AmazonSSM.DescribeParameters'),
    $metadata: { httpStatusCode: 400 },
  });
});

test('a body that is not JSON is refused in the same shape', async () => {
  const answer = await fetch(service.url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'AmazonSSM.GetParameter' },
    body: '{"Name":',
  });
  expect([answer.status, answer.headers.get('x-amzn-errortype')]).toEqual([400, 'SerializationException']);
  await expect(answer.json()).resolves.toMatchObject({ __type: 'SerializationException' });
});

test.each(['constructor', 'toString'])('%s is no operation', async (target) => {
  const answer = await fetch(service.url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target },
    body: '{}',
  });
  expect([answer.status, answer.headers.get('x-amzn-errortype')]).toEqual([400, 'UnknownOperationException']);
});

describe('GetResources', () => {
  const names = async (input: GetResourcesCommandInput) => {
    const { ResourceTagMappingList = [] } = await tagging.send(new GetResourcesCommand(input));
    return ResourceTagMappingList.map(({ ResourceARN }) => ResourceARN?.split(':').at(-1)?.split('/')[1]);
  };

  beforeEach(() => {
    resources = [
      stream('door', { Location: 'Front', Kind: 'indoor' }),
      stream('gate', { Location: 'Parking' }),
      stream('hall', { Kind: 'indoor' }),
      resource('channel/bell/1', { Location: 'Front' }),
      resource('stream/results', { Location: 'Front' }, 'kinesis'),
    ];
  });

  test('gives ARN and tags', async () => {
    const { ResourceTagMappingList } = await tagging.send(
      new GetResourcesCommand({ TagFilters: [{ Key: 'Location' }, { Key: 'Kind' }] }),
    );
    expect(ResourceTagMappingList).toEqual([
      {
        ResourceARN: 'arn:aws:kinesisvideo:us-east-1:000000000000:stream/door/1700000000000',
        Tags: [
          { Key: 'Location', Value: 'Front' },
          { Key: 'Kind', Value: 'indoor' },
        ],
      },
    ]);
  });

  test.each<[string, string[] | undefined, string[]]>([
    ['one type', ['kinesisvideo:stream'], ['door', 'gate', 'hall']],
    ['all types of a service', ['kinesisvideo'], ['door', 'gate', 'hall', 'bell']],
    ['several', ['kinesisvideo:channel', 'kinesis:stream'], ['bell', 'results']],
    ['no type in particular', undefined, ['door', 'gate', 'hall', 'bell', 'results']],
  ])('of %s', async (_name, ResourceTypeFilters, expected) => {
    await expect(names({ ResourceTypeFilters })).resolves.toEqual(expected);
  });

  test('in pages of the size that is asked for', async () => {
    const pages: number[] = [];
    for await (const page of paginateGetResources({ client: tagging, pageSize: 2 }, {})) {
      pages.push(page.ResourceTagMappingList?.length ?? 0);
    }
    expect(pages).toEqual([2, 2, 1]);
  });

  test.each<[string, GetResourcesCommandInput, string, string]>([
    ['a page of 101', { ResourcesPerPage: 101 }, 'ValidationException', 'ResourcesPerPage'],
    [
      '51 filters',
      { TagFilters: Array.from({ length: 51 }, (_, index) => ({ Key: String(index) })) },
      'ValidationException',
      'TagFilters',
    ],
    [
      '21 values',
      { TagFilters: [{ Key: 'a', Values: Array.from({ length: 21 }, String) }] },
      'ValidationException',
      'Values',
    ],
    ['a token of its own', { PaginationToken: 'abc' }, 'PaginationTokenExpiredException', 'token'],
    ['a negative token', { PaginationToken: '-1' }, 'PaginationTokenExpiredException', 'token'],
  ])('refuses %s', async (_name, input, name, message) => {
    await expect(names(input)).rejects.toMatchObject({ name, message: expect.stringContaining(message) });
  });
});

describe('StreamDiscovery', () => {
  /** A discovery, and the lines of its log. */
  const newDiscovery = (streamNames: string[], ...tagFilters: Config['tagFilters']) => {
    const { log, lines } = recorded(new HastyClock());
    const discovery = new StreamDiscovery({ config: { streamNames, tagFilters }, tagging, log });
    return { discover: (until = signal) => discovery.discover(until), lines };
  };
  const discover = (streamNames: string[], ...tagFilters: Config['tagFilters']) =>
    newDiscovery(streamNames, ...tagFilters).discover();
  const front = { key: 'Location', values: ['Front'] };

  beforeEach(() => {
    resources = [
      stream('door', { Location: 'Front', Kind: 'indoor' }),
      stream('gate', { Location: 'Parking', Kind: 'outdoor' }),
      stream('hall', { Location: 'Back', Kind: 'indoor' }),
      stream('attic', { Kind: '' }),
    ];
  });

  test('gives the streams that are named together with those that are tagged, none twice', async () => {
    await expect(discover(['yard', 'door'], front)).resolves.toEqual(['door', 'yard']);
  });

  test('takes names as they are, and asks nothing when there are no filters', async () => {
    await expect(discover(['yard', 'attic'])).resolves.toEqual(['attic', 'yard']);
    expect(pagesAsked).toBe(0);
  });

  test.each([
    ['one value', [front], ['door']],
    [
      'the values of a filter: any of them',
      [{ key: 'Location', values: ['Front', 'Parking'] }],
      ['door', 'gate'],
    ],
    [
      'filters: all of them',
      [
        { key: 'Location', values: ['Front', 'Parking'] },
        { key: 'Kind', values: ['outdoor'] },
      ],
      ['gate'],
    ],
    ['a filter without values: any value', [{ key: 'Kind', values: [] }], ['attic', 'door', 'gate', 'hall']],
    ['an empty value: that one', [{ key: 'Kind', values: [''] }], ['attic']],
    ['what nothing has', [{ key: 'Kind', values: ['Indoor'] }], []],
    ['a key that every object of the language has', [{ key: 'constructor', values: [] }], []],
  ])('by %s', async (_name, filters, expected) => {
    await expect(discover([], ...filters)).resolves.toEqual(expected);
  });

  test('leaves out what is no video stream', async () => {
    const others = Array.from({ length: 100 }, (_, index) => [
      resource(`channel/bell-${index}/1`, { Location: 'Front' }),
      resource(`stream/results-${index}`, { Location: 'Front' }, 'kinesis'),
    ]);
    resources.push(...others.flat());
    await expect(discover([], front)).resolves.toEqual(['door']);
    expect(pagesAsked).toBe(1);
  });

  const cameras = (count: number) => {
    const names = Array.from({ length: count }, (_, index) => `camera-${String(index).padStart(3, '0')}`);
    resources = names.map((name) => stream(name, { Location: 'Front' }));
    return names;
  };

  test.each([
    [50, 1],
    [51, 2],
    [100, 2],
    [101, 3],
    [250, 5],
  ])('finds %i streams in %i pages, each once', async (count, pages) => {
    const all = cameras(count);
    await expect(discover(all.slice(0, 10), front)).resolves.toEqual(all);
    expect(pagesAsked).toBe(pages);
  });

  test('finds what has been tagged, and no longer what is gone', async () => {
    const { discover } = newDiscovery(['yard'], front);
    await expect(discover()).resolves.toEqual(['door', 'yard']);
    resources = [stream('porch', { Location: 'Front' })];
    await expect(discover()).resolves.toEqual(['porch', 'yard']);
  });

  test('keeps what it has when a page cannot be had, and says so', async () => {
    const { discover, lines } = newDiscovery(['yard'], front);
    await expect(discover()).resolves.toEqual(['door', 'yard']);
    cameras(101);
    pagesGiven = pagesAsked + 2;
    await expect(discover()).resolves.toEqual(['door', 'yard']);
    expect(pagesAsked).toBe(pagesGiven + 1);
    expect(lines).toEqual([
      expect.objectContaining({ level: 'error', error: 'ThrottledException', streams: 1 }),
    ]);
    pagesGiven = Number.POSITIVE_INFINITY;
    await expect(discover()).resolves.toHaveLength(102);
  });

  test('can be given up', async () => {
    const { discover } = newDiscovery(['door'], front);
    await expect(discover(AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
  });

  test.each([
    ['arn:aws:kinesisvideo:us-east-1:000000000000:stream/a_b.c-1/1700000000000', 'a_b.c-1'],
    ['arn:aws-cn:kinesisvideo:cn-north-1:000000000000:stream/door/1', 'door'],
    ['arn:aws:kinesisvideo:us-east-1:000000000000:channel/bell/1', null],
    ['arn:aws:kinesis:us-east-1:000000000000:stream/results', null],
    ['', null],
  ])('reads the name in %s', (arn, name) => {
    expect(streamNameOfArn(arn)).toBe(name);
  });
});

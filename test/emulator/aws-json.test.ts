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
import { serveAwsJson } from '../../src/emulator/aws-json.ts';
import type { LocalService } from '../../src/emulator/dynamo-db.ts';
import { Parameters } from '../../src/emulator/parameters.ts';
import { type TaggedResource, taggingOperations } from '../../src/emulator/tagging.ts';
import { localClient } from '../support/services.ts';

let resources: TaggedResource[];
let parameters: Parameters;
let service: LocalService;
let ssm: SSMClient;
let tagging: ResourceGroupsTaggingAPIClient;

beforeEach(async () => {
  resources = [];
  parameters = new Parameters();
  service = await serveAwsJson({ ...parameters.operations, ...taggingOperations(() => resources) });
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

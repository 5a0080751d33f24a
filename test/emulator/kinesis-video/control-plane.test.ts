import {
  CreateStreamCommand,
  DeleteStreamCommand,
  DescribeStreamCommand,
  GetDataEndpointCommand,
  KinesisVideoClient,
  ListStreamsCommand,
  ListTagsForStreamCommand,
  paginateListStreams,
  TagStreamCommand,
  UntagStreamCommand,
  UpdateDataRetentionCommand,
} from '@aws-sdk/client-kinesis-video';
import { type KinesisVideoEmulator, startKinesisVideo } from '../../../src/emulator/kinesis-video/server.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { post, readAll } from './reader.ts';

const NOW = 1_700_000_000_000;

let emulator: KinesisVideoEmulator;
let client: KinesisVideoClient;

beforeEach(async () => {
  emulator = await startKinesisVideo({
    clock: new ManualClock(NOW),
    region: 'eu-west-1',
    accountId: '111122223333',
  });
  client = new KinesisVideoClient({
    endpoint: emulator.url,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'AKID', secretAccessKey: 'SECRET' },
    maxAttempts: 1,
  });
});

afterEach(async () => {
  client.destroy();
  await emulator.close();
});

const create = (StreamName: string) => client.send(new CreateStreamCommand({ StreamName }));

test('a stream is created, described and deleted', async () => {
  const { StreamARN } = await client.send(
    new CreateStreamCommand({
      StreamName: 'door',
      DeviceName: 'cam-1',
      MediaType: 'video/h264',
      DataRetentionInHours: 2,
      Tags: { Location: 'Front' },
    }),
  );

  expect(StreamARN).toBe(`arn:aws:kinesisvideo:eu-west-1:111122223333:stream/door/${NOW}`);
  const { StreamInfo } = await client.send(new DescribeStreamCommand({ StreamName: 'door' }));
  expect(StreamInfo).toMatchObject({
    StreamName: 'door',
    StreamARN,
    DeviceName: 'cam-1',
    MediaType: 'video/h264',
    DataRetentionInHours: 2,
    Status: 'ACTIVE',
    CreationTime: new Date(NOW),
  });
  expect((await client.send(new ListTagsForStreamCommand({ StreamARN }))).Tags).toEqual({
    Location: 'Front',
  });

  await client.send(new DeleteStreamCommand({ StreamARN, CurrentVersion: StreamInfo?.Version }));
  await expect(client.send(new DescribeStreamCommand({ StreamARN }))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
    $metadata: { httpStatusCode: 404 },
  });
});

test('a stream that is created again has another ARN, and the old one names nothing', async () => {
  const { StreamARN: oldArn } = await create('door');
  await client.send(new DeleteStreamCommand({ StreamARN: oldArn }));
  const { StreamARN: newArn } = await create('door');

  expect(newArn).not.toBe(oldArn);
  await expect(client.send(new DescribeStreamCommand({ StreamARN: oldArn }))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
  });
});

test('streams are listed by name, page by page and by prefix', async () => {
  for (const name of ['yard-2', 'door', 'yard-1', 'yard-3', 'garage']) await create(name);

  const pages: (string | undefined)[][] = [];
  for await (const page of paginateListStreams({ client, pageSize: 2 }, {})) {
    pages.push((page.StreamInfoList ?? []).map(({ StreamName }) => StreamName));
  }
  expect(pages).toEqual([['door', 'garage'], ['yard-1', 'yard-2'], ['yard-3']]);

  const { StreamInfoList, NextToken } = await client.send(
    new ListStreamsCommand({
      StreamNameCondition: { ComparisonOperator: 'BEGINS_WITH', ComparisonValue: 'yard' },
    }),
  );
  expect(StreamInfoList?.map(({ StreamName }) => StreamName)).toEqual(['yard-1', 'yard-2', 'yard-3']);
  expect(NextToken).toBeUndefined();
});

test('tags are set, replaced and removed', async () => {
  const StreamARN = emulator.createStream('door', { tags: { Location: 'Front', Floor: '0' } });

  await client.send(new TagStreamCommand({ StreamARN, Tags: { Location: 'Back', Team: 'a' } }));
  await client.send(new UntagStreamCommand({ StreamName: 'door', TagKeyList: ['Floor', 'unknown'] }));

  const { Tags } = await client.send(new ListTagsForStreamCommand({ StreamName: 'door' }));
  expect(Tags).toEqual({ Location: 'Back', Team: 'a' });
  expect(emulator.streams()).toEqual([{ name: 'door', arn: StreamARN, tags: Tags }]);
});

test('the data retention is changed by the difference, and only of the version that was seen', async () => {
  const StreamARN = emulator.createStream('door', { dataRetentionInHours: 2 });
  const { StreamInfo } = await client.send(new DescribeStreamCommand({ StreamARN }));
  const change = {
    StreamARN,
    CurrentVersion: StreamInfo?.Version,
    Operation: 'INCREASE_DATA_RETENTION',
    DataRetentionChangeInHours: 3,
  } as const;

  await client.send(new UpdateDataRetentionCommand(change));
  await expect(client.send(new UpdateDataRetentionCommand(change))).rejects.toMatchObject({
    name: 'VersionMismatchException',
    $metadata: { httpStatusCode: 400 },
  });

  const after = await client.send(new DescribeStreamCommand({ StreamARN }));
  expect(after.StreamInfo?.DataRetentionInHours).toBe(5);
});

test('the data endpoint is the emulator itself, or what stands before it', async () => {
  emulator.createStream('door');
  const ask = new GetDataEndpointCommand({ StreamName: 'door', APIName: 'GET_MEDIA' });

  expect(await client.send(ask)).toMatchObject({ DataEndpoint: emulator.url });
  emulator.dataEndpoint = 'http://127.0.0.1:1';
  expect(await client.send(ask)).toMatchObject({ DataEndpoint: 'http://127.0.0.1:1' });
});

test.each([
  ['createStream', { StreamName: 'taken' }, 400, 'ResourceInUseException', /"taken" exists/],
  ['createStream', { StreamName: 'a b' }, 400, 'InvalidArgumentException', /StreamName: .*pattern/],
  ['createStream', {}, 400, 'InvalidArgumentException', /StreamName/],
  ['describeStream', {}, 400, 'InvalidArgumentException', /StreamName or StreamARN/],
  ['describeStream', { StreamName: 'unknown' }, 404, 'ResourceNotFoundException', /not found/],
  ['describeStream', { StreamARN: 'arn:aws:s3:::x' }, 400, 'InvalidArgumentException', /StreamARN/],
  ['describeStream', '{"StreamName":', 400, 'SerializationException', /JSON/],
  ['listStreams', { MaxResults: 0 }, 400, 'InvalidArgumentException', /MaxResults: .*>=1/],
  ['listStreams', { NextToken: '%' }, 400, 'InvalidArgumentException', /NextToken/],
  ['getDataEndpoint', { StreamName: 'taken', APIName: 'X' }, 400, 'InvalidArgumentException', /APIName/],
  ['getDataEndpoint', { StreamName: 'x', APIName: 'GET_MEDIA' }, 404, 'ResourceNotFoundException', /found/],
  ['getClip', {}, 404, 'UnknownOperationException', /getClip/],
])('%s %j is answered %i %s', async (path, body, status, type, message) => {
  emulator.createStream('taken');
  const response = await post(emulator.url, path, body);

  expect(response.statusCode).toBe(status);
  expect(response.headers['x-amzn-errortype']).toBe(type);
  expect(JSON.parse(String(await readAll(response)))).toEqual({ Message: expect.stringMatching(message) });
});

test('a stream has at most 50 tags', async () => {
  emulator.createStream('door', { tags: { Location: 'Front' } });
  const Tags = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`key-${index}`, 'value']));
  await expect(client.send(new TagStreamCommand({ StreamName: 'door', Tags }))).rejects.toMatchObject({
    name: 'TagsPerResourceExceededLimitException',
  });
});

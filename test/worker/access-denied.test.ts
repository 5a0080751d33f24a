import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { DescribeStreamCommand } from '@aws-sdk/client-kinesis-video';
import { GetMediaCommand } from '@aws-sdk/client-kinesis-video-media';
import { GetResourcesCommand } from '@aws-sdk/client-resource-groups-tagging-api';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { InvokeEndpointCommand } from '@aws-sdk/client-sagemaker-runtime';
import { GetParameterCommand } from '@aws-sdk/client-ssm';
import { type Call, type Denial, denialOf } from '../../src/worker/access-denied.ts';
import { createClients } from '../../src/worker/clients.ts';
import { type Answer, awsError, serve } from '../support/http-server.ts';

const USER = 'User: arn:aws:sts::123456789012:assumed-role/worker-role/7f3a is not authorized to perform:';
const STREAM = 'arn:aws:kinesisvideo:us-east-1:123456789012:stream/door/1700000000000';
const GET_MEDIA: Call = {
  service: 'kinesisvideo',
  operation: 'GetMedia',
  input: { StreamName: 'door' },
  region: 'us-east-1',
};

function refused(message: string, name = 'AccessDeniedException'): Error {
  return Object.assign(new Error(message), { name });
}

test('what AWS says: role, and the statement for the stream whenever it is created', () => {
  const message = `${USER} kinesisvideo:GetMedia on resource: ${STREAM} because no identity-based policy allows the kinesisvideo:GetMedia action`;
  expect(denialOf(refused(message), GET_MEDIA)).toEqual({
    error: 'AccessDeniedException',
    statement: {
      Effect: 'Allow',
      Action: 'kinesisvideo:GetMedia',
      Resource: 'arn:aws:kinesisvideo:us-east-1:123456789012:stream/door/*',
    },
    role: 'worker-role',
    remedy: 'add the statement to the policy of the task role worker-role',
  });
});

test('a key that may not be used: the action is that of the message, not that of the call', () => {
  const key = 'arn:aws:kms:us-east-1:123456789012:key/1b2c';
  const message = `${USER} kms:Decrypt on resource: ${key} because no resource-based policy allows the kms:Decrypt action`;
  expect(denialOf(refused(message, 'KMSAccessDeniedException'), GET_MEDIA)).toMatchObject({
    statement: { Action: 'kms:Decrypt', Resource: key },
    remedy: 'add the statement to the resource-based policy',
  });
});

test.each([
  'User: arn:aws:iam::123456789012:user/kim is not authorized to perform: kms:GenerateDataKey because no identity-based policy allows the kms:GenerateDataKey action',
  'User: arn:aws:iam::123456789012:user/kim is not authorized to perform: kms:GenerateDataKey on resource: *',
  'The ciphertext refers to a customer master key that does not exist',
])('a key that AWS does not name is for a person to fill in, never all keys: %s', (message) => {
  const call = { ...GET_MEDIA, service: 'kinesis', operation: 'PutRecords' };
  expect(denialOf(refused(message, 'KMSAccessDeniedException'), call)).toMatchObject({
    statement: { Action: 'kms:GenerateDataKey', Resource: '<ARN of the KMS key>' },
    remedy: 'add the statement to the policy of the role or user',
  });
});

test('so is any other resource that is not known', () => {
  const error = refused(`${USER} s3:GetObject because no identity-based policy allows it`);
  expect(denialOf(error, GET_MEDIA)?.statement.Resource).toBe('<ARN of the resource>');
});

test('what is denied explicitly is not allowed by a statement more', () => {
  const message = `${USER} kinesisvideo:GetMedia on resource: ${STREAM} with an explicit deny in a service control policy`;
  expect(denialOf(refused(message), GET_MEDIA)?.remedy).toBe(
    'the service control policy denies it explicitly, which no other statement can allow',
  );
});

test.each<[string, string, object, string, string]>([
  [
    'kinesisvideo',
    'GetMedia',
    { StreamName: 'door' },
    'eu-west-1',
    'arn:aws:kinesisvideo:eu-west-1:*:stream/door/*',
  ],
  ['kinesisvideo', 'GetMedia', { StreamARN: STREAM }, 'us-east-1', STREAM.replace(/\d+$/, '*')],
  [
    'kinesis',
    'PutRecords',
    { StreamName: 'results' },
    'cn-north-1',
    'arn:aws-cn:kinesis:cn-north-1:*:stream/results',
  ],
  ['ssm', 'GetParameter', { Name: '/team/app' }, 'us-east-1', 'arn:aws:ssm:us-east-1:*:parameter/team/app'],
  ['dynamodb', 'UpdateItem', { TableName: 'app' }, 'us-east-1', 'arn:aws:dynamodb:us-east-1:*:table/app'],
  [
    'sagemaker',
    'InvokeEndpoint',
    { EndpointName: 'e' },
    'us-gov-west-1',
    'arn:aws-us-gov:sagemaker:us-gov-west-1:*:endpoint/e',
  ],
  ['s3', 'PutObject', { Bucket: 'b', Key: 'k' }, 'us-east-1', 'arn:aws:s3:::b/*'],
  ['tag', 'GetResources', {}, 'us-east-1', '*'],
  ['kinesisvideo', 'ListStreams', {}, 'us-east-1', '*'],
])('where AWS says nothing: %s:%s', (service, operation, input, region, Resource) => {
  const error = refused('not allowed', 'NotAuthorizedException');
  expect(denialOf(error, { service, operation, input, region })).toMatchObject({
    statement: { Effect: 'Allow', Action: `${service}:${operation}`, Resource },
    role: null,
    remedy: 'add the statement to the policy of the role or user',
  });
  expect(denialOf(error, null)).toBeNull();
});

test('other errors are none', () => {
  expect(denialOf(refused('slow down', 'ThrottlingException'), GET_MEDIA)).toBeNull();
});

describe('the clients of a worker', () => {
  const before = { ...process.env };
  let answer: Answer;
  let server: Awaited<ReturnType<typeof serve>>;
  const denials: Denial[] = [];
  let clients: ReturnType<typeof createClients>;

  beforeAll(async () => {
    server = await serve(() => answer);
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: server.url,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local-secret',
    });
    clients = createClients((denial) => denials.push(denial));
  });

  afterAll(async () => {
    clients.destroy();
    process.env = before;
    await server.close();
  });

  beforeEach(() => denials.splice(0));

  const JSON_ERROR = awsError('AccessDeniedException', 400);
  const REST_ERROR = awsError('NotAuthorizedException', 401);
  const XML_ERROR: Answer = {
    status: 403,
    headers: { 'content-type': 'application/xml' },
    body: '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>',
  };
  const calls: Array<[string, Answer, () => Promise<unknown>]> = [
    ['ssm:GetParameter', JSON_ERROR, () => clients.ssm.send(new GetParameterCommand({ Name: 'p' }))],
    [
      'dynamodb:GetItem',
      JSON_ERROR,
      () => clients.dynamoDb.send(new GetItemCommand({ TableName: 't', Key: { leaseKey: { S: 'k' } } })),
    ],
    [
      'dynamodb:GetItem',
      JSON_ERROR,
      () => clients.heartbeats.send(new GetItemCommand({ TableName: 't', Key: { leaseKey: { S: 'k' } } })),
    ],
    [
      'kinesisvideo:DescribeStream',
      REST_ERROR,
      () => clients.kinesisVideo.send(new DescribeStreamCommand({ StreamName: 'door' })),
    ],
    ['tag:GetResources', JSON_ERROR, () => clients.tagging.send(new GetResourcesCommand({}))],
    [
      'kinesis:PutRecords',
      JSON_ERROR,
      () => clients.kinesis.send(new PutRecordsCommand({ StreamName: 'k', Records: [] })),
    ],
    [
      'sagemaker:InvokeEndpoint',
      JSON_ERROR,
      () =>
        clients.sageMakerRuntime.send(
          new InvokeEndpointCommand({ EndpointName: 'e', Body: Buffer.from('x') }),
        ),
    ],
    [
      's3:PutObject',
      XML_ERROR,
      () => clients.s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'k', Body: 'x' })),
    ],
    [
      'kinesisvideo:GetMedia',
      REST_ERROR,
      async () => {
        const media = clients.media(server.url);
        const StartSelector = { StartSelectorType: 'NOW' } as const;
        try {
          return await media.send(new GetMediaCommand({ StreamName: 'door', StartSelector }));
        } finally {
          media.destroy();
        }
      },
    ],
  ];

  test.each(calls)('%s: handed on, and the call fails all the same', async (action, error, call) => {
    answer = error;
    await expect(call()).rejects.toThrow(/AccessDenied|NotAuthorized|Access Denied/);
    expect(denials.map(({ statement }) => statement.Action)).toEqual([action]);
  });

  test('another error is not', async () => {
    answer = awsError('ThrottlingException');
    await expect(clients.ssm.send(new GetParameterCommand({ Name: 'p' }))).rejects.toThrow('Throttling');
    expect(denials).toEqual([]);
  });
});

import { awsError } from '../support/http-server.ts';
import { type Aws, accessDenied, arnOf, startAws } from './aws.ts';

const FRONT = 'arn:aws:kinesisvideo:us-east-1:123456789012:stream/front/*';
const LEASES = 'arn:aws:dynamodb:us-east-1:123456789012:table/cameras';

let aws: Aws;

beforeEach(async () => {
  aws = await startAws();
});

afterEach(() => aws.close());

test.each([
  ['GetParameter', 'ssm:GetParameter', 'arn:aws:ssm:us-east-1:123456789012:parameter/team/cameras'],
  ['GetDataEndpoint', 'kinesisvideo:GetDataEndpoint', FRONT],
  ['GetMedia', 'kinesisvideo:GetMedia', FRONT],
  [
    'InvokeEndpoint',
    'sagemaker:InvokeEndpoint',
    'arn:aws:sagemaker:us-east-1:123456789012:endpoint/detector',
  ],
  ['PutRecords', 'kinesis:PutRecords', 'arn:aws:kinesis:us-east-1:123456789012:stream/results'],
  ['DescribeTable', 'dynamodb:DescribeTable', LEASES],
  ['GetItem', 'dynamodb:GetItem', LEASES],
  ['BatchGetItem', 'dynamodb:BatchGetItem', LEASES],
  ['Query', 'dynamodb:Query', `${LEASES}/index/leaseOwner`],
  ['Scan', 'dynamodb:Scan', LEASES],
  ['PutItem', 'dynamodb:PutItem', LEASES],
  ['UpdateItem', 'dynamodb:UpdateItem', LEASES],
  ['DeleteItem', 'dynamodb:DeleteItem', LEASES],
])('%s without %s: the statement to add, and the rest goes on', async (operation, Action, Resource) => {
  aws.answer(operation, accessDenied(Action, Resource));
  expect(await aws.troubles()).toEqual([
    {
      check: operation,
      target: expect.any(String),
      result: 'error',
      detail: expect.stringContaining(`not authorized to perform: ${Action}`),
      remedy: 'add the statement to the policy of the task role task',
      statement: { Effect: 'Allow', Action, Resource },
    },
  ]);
  expect(aws.requests('Scan')).toHaveLength(operation === 'GetParameter' ? 0 : 1);
});

test('where AWS does not say what is missing, it is what was called', async () => {
  aws.answer('GetMedia', awsError('NotAuthorizedException', 401));
  expect(await aws.troubles()).toMatchObject([
    { check: 'GetMedia', statement: { Action: 'kinesisvideo:GetMedia', Resource: FRONT } },
  ]);
});

test('no statement helps against an explicit deny', async () => {
  const message =
    'User: u is not authorized to perform: dynamodb:Scan on resource: r with an explicit deny in a service control policy';
  aws.answer('Scan', awsError('AccessDeniedException', 400, { message }));
  expect(await aws.troubles()).toMatchObject([
    { check: 'Scan', remedy: expect.stringContaining('denies it explicitly'), statement: null },
  ]);
});

test('PutObject without permission, as S3 answers', async () => {
  const message = `User: arn:aws:sts::123456789012:assumed-role/task/1 is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::outputs/kvs-inference/cameras/doctor" because no identity-based policy allows the s3:PutObject action`;
  const body = `<Error><Code>AccessDenied</Code><Message>${message.replaceAll('"', '&quot;')}</Message></Error>`;
  aws.answer('PutObject', { status: 403, headers: { 'content-type': 'application/xml' }, body });
  const Resource = 'arn:aws:s3:::outputs/kvs-inference/cameras/doctor';
  expect(await aws.troubles()).toMatchObject([
    { check: 'PutObject', statement: { Action: 's3:PutObject', Resource } },
  ]);
});

test('without DescribeStream the worker reads the stream all the same', async () => {
  aws.answer('DescribeStream', accessDenied('kinesisvideo:DescribeStream', arnOf('front')));
  expect(await aws.troubles()).toEqual([
    {
      check: 'DescribeStream',
      target: 'front',
      result: 'warning',
      detail: expect.stringMatching(
        /^without this permission streams are read as configured, .*: AccessDeniedException: User/,
      ),
      remedy: 'add the statement to the policy of the task role task',
      statement: { Effect: 'Allow', Action: 'kinesisvideo:DescribeStream', Resource: FRONT },
    },
  ]);
  expect(aws.requests('GetMedia')).toHaveLength(1);
});

test('a key that AWS does not name is for a person to fill in', async () => {
  const message =
    'User: arn:aws:iam::123456789012:user/kim is not authorized to perform: kms:GenerateDataKey because no identity-based policy allows the kms:GenerateDataKey action';
  aws.answer('PutRecords', awsError('KMSAccessDeniedException', 400, { message }));
  expect(await aws.troubles()).toMatchObject([
    {
      check: 'PutRecords',
      result: 'error',
      remedy: 'add the statement to the policy of the role or user',
      statement: { Action: 'kms:GenerateDataKey', Resource: '<ARN of the KMS key>' },
    },
  ]);
});

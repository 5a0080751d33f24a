import { accountCheck } from '../../src/doctor/account.ts';
import { failed, known, ok } from '../../src/doctor/check.ts';
import { type Aws, arnOf, startAws } from './aws.ts';

const { signal } = new AbortController();

let aws: Aws;

beforeEach(async () => {
  aws = await startAws();
});

afterEach(() => aws.close());

test('everything is used once; of all writes only the object is real', async () => {
  const all = await aws.findings();
  expect(all.map(({ check, target, result }) => `${check} ${target} ${result}`)).toEqual([
    'credentials AWS ok',
    'GetParameter /team/cameras ok',
    'DescribeStream front ok',
    'GetDataEndpoint front ok',
    'GetMedia front ok',
    'InvokeEndpoint detector ok',
    'PutRecords results ok',
    'PutObject outputs ok',
    'DescribeTable cameras ok',
    'GetItem cameras ok',
    'BatchGetItem cameras ok',
    'Query cameras/index/leaseOwner ok',
    'Scan cameras ok',
    'PutItem cameras ok',
    'UpdateItem cameras ok',
    'DeleteItem cameras ok',
  ]);
  const detail = (name: string) => all.find(({ check }) => check === name)?.detail;
  expect(detail('credentials')).toBe('region us-east-1');
  expect(JSON.parse(String(aws.requests('GetMedia')[0]?.body))).toEqual({
    StreamARN: arnOf('front'),
    StartSelector: { StartSelectorType: 'NOW' },
  });
  expect(JSON.parse(String(aws.requests('PutRecords')[0]?.body)).Records).toMatchObject([
    { ExplicitHashKey: String(2n ** 128n) },
  ]);
  for (const operation of ['PutItem', 'UpdateItem', 'DeleteItem']) {
    expect(JSON.parse(String(aws.requests(operation)[0]?.body))).toMatchObject({
      ConditionExpression: 'attribute_exists(leaseKey) AND attribute_not_exists(leaseKey)',
    });
  }
  expect(aws.requests('PutObject')[0]?.path).toMatch(/^\/outputs\/kvs-inference\/cameras\/doctor(\?|$)/);
  expect(detail('PutObject')).toBe(
    'wrote 56 bytes to s3://outputs/kvs-inference/cameras/doctor, which may be deleted',
  );
  expect(detail('PutRecords')).toBe(
    "permitted; nothing was written, so the use of the stream's KMS key was not tried",
  );
});

test.each(['DescribeStream', 'GetMedia', 'PutRecords', 'Scan'])(
  '%s that never answers is given up, the rest goes on',
  async (operation) => {
    expect(await aws.troublesWithout(operation, 10_000)).toMatchObject([
      {
        check: operation,
        result: 'error',
        detail: 'TIMEOUT: no answer within 10000 ms',
        remedy: expect.stringContaining('is there a way to the service'),
      },
    ]);
  },
);

test('without a region or credentials nothing else is tried', async () => {
  const next = [known('DescribeStream', 'front', ok(''))];
  const { config } = aws.clients.ssm;
  const region = () => Promise.reject(new Error('Region is missing'));
  const credentials = () => Promise.reject(new Error('none found'));
  expect(await accountCheck({ config: { ...config, region } }, next).run(signal)).toEqual(
    failed('no region: Region is missing', 'set AWS_REGION'),
  );
  expect(await accountCheck({ config: { ...config, credentials } }, next).run(signal)).toEqual(
    failed('region us-east-1, no credentials: none found', expect.stringContaining('taskRoleArn')),
  );
  expect(await accountCheck({ config }, next).run(signal)).toEqual({ ...ok('region us-east-1'), next });
});

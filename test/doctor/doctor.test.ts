import { createServer } from 'node:http';
import { systemClock } from '../../src/core/clock.ts';
import { accountCheck } from '../../src/doctor/account.ts';
import { known, mend, ok } from '../../src/doctor/check.ts';
import { type DoctorOptions, examine } from '../../src/doctor/doctor.ts';
import type { RunOptions } from '../../src/doctor/run.ts';
import { eventually } from '../support/eventually.ts';
import { type Answer, awsError } from '../support/http-server.ts';
import { listenOnLoopback } from '../support/loopback.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type Aws, accessDenied, arnOf, CONFIG, json, PARAMETER, startAws, TABLE } from './aws.ts';

const { signal } = new AbortController();
const FRONT = 'arn:aws:kinesisvideo:us-east-1:123456789012:stream/front/*';
const LEASES = 'arn:aws:dynamodb:us-east-1:123456789012:table/cameras';

let aws: Aws;

beforeEach(async () => {
  aws = await startAws();
});

afterEach(() => aws.close());

async function findings(options: Partial<DoctorOptions> = {}) {
  const { clients, denials } = aws;
  const source = { type: 'PARAMETER', name: PARAMETER } as const;
  const defaults = { source, parameterName: PARAMETER, clients, denials, clock: systemClock };
  return await examine({ ...defaults, ...options }, signal);
}

/** What is not right. */
async function troubles(...options: Parameters<typeof findings>) {
  return (await findings(...options)).filter(({ result }) => result !== 'ok');
}

const answer = (operation: string, given: Answer) => {
  aws.answers[operation] = () => given;
};

test('everything is used, nothing written', async () => {
  const all = await findings();
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
  expect(all[0]?.detail).toBe('region us-east-1');
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
});

test.each([
  ['GetParameter', 'ssm:GetParameter', 'arn:aws:ssm:us-east-1:123456789012:parameter/team/cameras'],
  ['DescribeStream', 'kinesisvideo:DescribeStream', FRONT],
  ['GetDataEndpoint', 'kinesisvideo:GetDataEndpoint', FRONT],
  ['GetMedia', 'kinesisvideo:GetMedia', FRONT],
  [
    'InvokeEndpoint',
    'sagemaker:InvokeEndpoint',
    'arn:aws:sagemaker:us-east-1:123456789012:endpoint/detector',
  ],
  ['PutRecords', 'kinesis:PutRecords', 'arn:aws:kinesis:us-east-1:123456789012:stream/results'],
  ['PutRecords', 'kms:GenerateDataKey', 'arn:aws:kms:us-east-1:123456789012:key/1'],
  ['DescribeTable', 'dynamodb:DescribeTable', LEASES],
  ['GetItem', 'dynamodb:GetItem', LEASES],
  ['BatchGetItem', 'dynamodb:BatchGetItem', LEASES],
  ['Query', 'dynamodb:Query', `${LEASES}/index/leaseOwner`],
  ['Scan', 'dynamodb:Scan', LEASES],
  ['PutItem', 'dynamodb:PutItem', LEASES],
  ['UpdateItem', 'dynamodb:UpdateItem', LEASES],
  ['DeleteItem', 'dynamodb:DeleteItem', LEASES],
])('%s without %s: the statement to add, and the rest goes on', async (operation, Action, Resource) => {
  answer(operation, accessDenied(Action, Resource));
  expect(await troubles()).toEqual([
    {
      check: operation,
      target: expect.any(String),
      result: 'mend',
      detail: expect.stringContaining(`not authorized to perform: ${Action}`),
      remedy: 'add the statement to the policy of the task role task',
      statement: { Effect: 'Allow', Action, Resource },
    },
  ]);
  expect(aws.requests('Scan')).toHaveLength(operation === 'GetParameter' ? 0 : 1);
});

test('where AWS does not say what is missing, it is what was called', async () => {
  answer('GetMedia', awsError('NotAuthorizedException', 401));
  expect(await troubles()).toMatchObject([
    { check: 'GetMedia', statement: { Action: 'kinesisvideo:GetMedia', Resource: FRONT } },
  ]);
});

test('no statement helps against an explicit deny', async () => {
  const message =
    'User: u is not authorized to perform: dynamodb:Scan on resource: r with an explicit deny in a service control policy';
  answer('Scan', awsError('AccessDeniedException', 400, { message }));
  expect(await troubles()).toMatchObject([
    { check: 'Scan', remedy: expect.stringContaining('denies it explicitly'), statement: null },
  ]);
});

test('PutObject without permission, as S3 answers', async () => {
  const message = `User: arn:aws:sts::123456789012:assumed-role/task/1 is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::outputs/kvs-inference/cameras/doctor" because no identity-based policy allows the s3:PutObject action`;
  const body = `<Error><Code>AccessDenied</Code><Message>${message.replaceAll('"', '&quot;')}</Message></Error>`;
  answer('PutObject', { status: 403, headers: { 'content-type': 'application/xml' }, body });
  const Resource = 'arn:aws:s3:::outputs/kvs-inference/cameras/doctor';
  expect(await troubles()).toMatchObject([
    { check: 'PutObject', statement: { Action: 's3:PutObject', Resource } },
  ]);
});

test('GetResources without permission', async () => {
  aws.putConfig({ tagFilters: [{ key: 'Camera' }] });
  answer('GetResources', accessDenied('tag:GetResources', '*'));
  expect(await troubles()).toMatchObject([{ check: 'GetResources', statement: { Resource: '*' } }]);
});

const NO_SUCH_BUCKET = '<Error><Code>NoSuchBucket</Code><Message>The bucket does not exist</Message></Error>';
const modelError = (OriginalStatusCode: number) => awsError('ModelError', 424, { OriginalStatusCode });

test.each<[string, string, Answer, string, string]>([
  [
    'stream missing',
    'DescribeStream',
    awsError('ResourceNotFoundException', 404),
    'mend',
    'there is no such stream',
  ],
  ['stream going', 'DescribeStream', stream({ Status: 'DELETING' }), 'mend', 'being deleted'],
  ['stream coming', 'DescribeStream', stream({ Status: 'CREATING' }), 'warning', 'when it is ACTIVE'],
  ['no retention', 'DescribeStream', stream({ DataRetentionInHours: 0 }), 'warning', 'data retention 0'],
  ['three readers', 'GetMedia', awsError('ConnectionLimitExceededException'), 'warning', 'three readers'],
  ['endpoint missing', 'InvokeEndpoint', awsError('ValidationError'), 'mend', 'ValidationError'],
  ['model fails', 'InvokeEndpoint', modelError(500), 'mend', 'ModelError'],
  ['model refuses', 'InvokeEndpoint', modelError(415), 'warning', 'the endpoint answers, the model refused'],
  ['model starts', 'InvokeEndpoint', awsError('ModelNotReadyException', 429), 'warning', 'starting'],
  ['endpoint busy', 'InvokeEndpoint', awsError('ThrottlingException'), 'warning', 'takes no more calls'],
  ['data stream missing', 'PutRecords', awsError('ResourceNotFoundException'), 'mend', 'no such data stream'],
  ['bucket missing', 'PutObject', { status: 404, body: NO_SUCH_BUCKET }, 'mend', 'no such bucket'],
  ['table comes', 'DescribeTable', awsError('ResourceNotFoundException'), 'warning', 'the worker creates it'],
  ['no table', 'DescribeTable', json({ Table: { ...TABLE, KeySchema: [] } }), 'mend', 'has the key (none)'],
  [
    'table not ready',
    'DescribeTable',
    json({ Table: { ...TABLE, TableStatus: 'CREATING' } }),
    'warning',
    'CREATING',
  ],
  [
    'another owner',
    'GetItem',
    json({ Item: { applicationName: { S: 'other' } } }),
    'mend',
    'of the application "other"',
  ],
  ['throttled', 'Scan', awsError('ThrottlingException'), 'warning', 'throttled'],
  ['credentials over', 'Scan', awsError('ExpiredTokenException'), 'mend', 'ExpiredTokenException'],
  ['nobody there', 'Scan', { trouble: 'reset' }, 'mend', 'ECONNRESET'],
  ['else', 'Scan', awsError('ValidationException'), 'mend', 'ValidationException happened'],
])('%s', async (_name, operation, given, result, detail) => {
  answer(operation, given);
  expect(await troubles()).toMatchObject([
    { check: operation, result, detail: expect.stringContaining(detail), statement: null },
  ]);
});

function stream(fields: object): Answer {
  const StreamInfo = { StreamARN: arnOf('front'), Status: 'ACTIVE', DataRetentionInHours: 24, ...fields };
  return json({ StreamInfo });
}

test('a table that the worker may not create is missing', async () => {
  aws.putConfig({ createLeaseTable: false, leaseTable: 'mine' });
  answer('DescribeTable', awsError('ResourceNotFoundException'));
  expect(await troubles()).toMatchObject([
    { target: 'mine', result: 'mend', detail: 'there is no such table' },
  ]);
});

test('what is not lossless needs no retention', async () => {
  aws.putConfig({ mode: 'live' });
  answer('DescribeStream', stream({ DataRetentionInHours: 0 }));
  expect(await troubles()).toEqual([]);
});

test('a data stream that takes the record is permitted, and says so', async () => {
  answer('PutRecords', json({ FailedRecordCount: 0, Records: [{ SequenceNumber: '1', ShardId: 's' }] }));
  expect(await findings()).toContainEqual(
    expect.objectContaining({
      check: 'PutRecords',
      result: 'ok',
      detail: expect.stringContaining('was written'),
    }),
  );
});

test.each(['DescribeStream', 'GetMedia', 'PutRecords', 'Scan'])(
  '%s that never answers is given up, the rest goes on',
  async (operation) => {
    answer(operation, { trouble: 'hang' });
    const clock = new ManualClock();
    let open = 0;
    const onProgress: RunOptions['onProgress'] = ({ done, known }) => {
      open = known - done;
    };
    const running = troubles({ clock, onProgress });
    await eventually(() => aws.requests(operation).length === 1 && open === 1);
    clock.advance(10_000);
    expect(await running).toMatchObject([
      { check: operation, result: 'mend', detail: 'TIMEOUT: no answer within 10000 ms' },
    ]);
  },
);

test('an endpoint has the time that the worker gives it', async () => {
  aws.putConfig({ sageMakerTaskTimeoutInMilli: 50 });
  answer('InvokeEndpoint', { trouble: 'hang' });
  expect(await troubles()).toMatchObject([{ detail: 'TIMEOUT: no answer within 50 ms' }]);
});

test('several endpoints, each with its content type, variant, model and component', async () => {
  aws.putConfig({
    sageMakerEndpoint: undefined,
    endpoints: [
      { name: 'one', acceptContentType: 'image/png', targetVariant: 'blue' },
      { name: 'two', targetModel: 'model.tar.gz', inferenceComponent: 'part' },
    ],
  });
  expect(await troubles()).toEqual([]);
  const [one, two] = aws.requests('InvokeEndpoint').sort((a, b) => (a.path < b.path ? -1 : 1));
  expect(one?.headers).toMatchObject({
    'content-type': 'image/png',
    'x-amzn-sagemaker-target-variant': 'blue',
  });
  expect(one?.body.subarray(1, 4).toString()).toBe('PNG');
  expect(two?.headers).toMatchObject({
    'content-type': 'image/jpeg',
    'x-amzn-sagemaker-target-model': 'model.tar.gz',
    'x-amzn-sagemaker-inference-component': 'part',
  });
  expect(two?.body.readUInt16BE(0)).toBe(0xffd8);
});

test('media is let go of at once', async () => {
  let opened = 0;
  let open = 0;
  const server = createServer((_request, response) => {
    opened += 1;
    open += 1;
    response.once('close', () => {
      open -= 1;
    });
    response.write('a body without end');
  });
  const { url, close } = await listenOnLoopback(server);
  answer('GetDataEndpoint', json({ DataEndpoint: url }));
  expect(await troubles()).toEqual([]);
  await eventually(() => open === 0);
  expect(opened).toBe(1);
  await close();
});

describe('tag filters', () => {
  beforeEach(() =>
    aws.putConfig({ tagFilters: [{ key: 'Location', values: ['Front', 'Side'] }, { key: 'Camera' }] }),
  );

  test('that match nothing are a warning', async () => {
    answer('GetResources', json({ ResourceTagMappingList: [], PaginationToken: '' }));
    expect(await troubles()).toMatchObject([
      {
        check: 'GetResources',
        target: 'Location=Front|Side and Camera',
        result: 'warning',
        detail: 'no stream matches',
      },
    ]);
  });

  test('on several pages: all streams are described, media is asked for of ten, none twice', async () => {
    const names = ['front', ...Array.from({ length: 14 }, (_, index) => `side-${index}`)];
    aws.answers['GetResources'] = ({ body }) => {
      const page = Number(JSON.parse(body.toString()).PaginationToken || 0);
      const ResourceTagMappingList = names
        .slice(page, page + 10)
        .map((name) => ({ ResourceARN: arnOf(name) }));
      return json({ ResourceTagMappingList, PaginationToken: page === 0 ? '10' : '' });
    };
    const all = await findings();
    expect(all).toContainEqual(
      expect.objectContaining({ check: 'GetResources', detail: expect.stringMatching(/^15 streams match/) }),
    );
    const targets = (check: string) =>
      all.filter((finding) => finding.check === check).map(({ target }) => target);
    expect(targets('DescribeStream').sort()).toEqual(names.sort());
    expect(targets('GetMedia')).toHaveLength(11);
  });
});

describe('configuration', () => {
  test('that is not there', async () => {
    answer('GetParameter', awsError('ParameterNotFound'));
    expect(await troubles()).toMatchObject([{ check: 'GetParameter', detail: 'there is no such parameter' }]);
  });

  test('that is wrong: each problem, and nothing else', async () => {
    aws.putConfig({ inferenceInterval: 0, streamNames: 'front' });
    expect(await troubles()).toMatchObject([
      { check: 'GetParameter', detail: '2 problems in the configuration: nothing else is checked' },
      { check: 'configuration', target: 'streamNames', detail: '"front", expected an array' },
      { check: 'configuration', target: 'inferenceInterval', detail: '0, expected at least 1' },
    ]);
    expect(aws.operations()).toEqual(new Set(['GetParameter']));
  });

  test('in a file, without a name: what is called after it is left out', async () => {
    const source = { type: 'FILE', path: 'new.json', text: JSON.stringify(CONFIG) } as const;
    expect(await troubles({ source, parameterName: null })).toMatchObject([
      { check: 'PutObject', result: 'warning', remedy: 'name the parameter with --parameter' },
      { check: 'DescribeTable', result: 'warning' },
    ]);
    expect(aws.requests('GetParameter')).toHaveLength(0);
    expect(await troubles({ source })).toEqual([]);
    aws.answers['GetItem'] = () => json({ Item: { applicationName: { S: 'other' } } });
    const text = JSON.stringify({ ...CONFIG, resultBucket: undefined, leaseTable: 'mine' });
    expect(await troubles({ source: { ...source, text }, parameterName: null })).toEqual([]);
  });

  test('whose name is none for a table', async () => {
    expect(await troubles({ parameterName: 'a' })).toMatchObject([
      { check: 'DescribeTable', result: 'mend', detail: expect.stringContaining('leaseTable is needed') },
    ]);
  });
});

test('without a region or credentials nothing else is tried', async () => {
  const next = [known('DescribeStream', 'front', ok(''))];
  const { config } = aws.clients.ssm;
  const region = () => Promise.reject(new Error('Region is missing'));
  const credentials = () => Promise.reject(new Error('none found'));
  expect(await accountCheck({ config: { ...config, region } }, next).run(signal)).toEqual(
    mend('no region: Region is missing', 'set AWS_REGION'),
  );
  expect(await accountCheck({ config: { ...config, credentials } }, next).run(signal)).toEqual(
    mend('region us-east-1, no credentials: none found', expect.stringContaining('taskRoleArn')),
  );
  expect(await accountCheck({ config }, next).run(signal)).toEqual({ ...ok('region us-east-1'), next });
});

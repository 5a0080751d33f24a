import { type Answer, awsError } from '../support/http-server.ts';
import { type Aws, startAws } from './aws.ts';

let aws: Aws;

beforeEach(async () => {
  aws = await startAws();
});

afterEach(() => aws.close());

const modelError = (OriginalStatusCode: number) => awsError('ModelError', 424, { OriginalStatusCode });

test.each<[string, Answer, string, string]>([
  ['is missing', awsError('ValidationError'), 'error', 'ValidationError'],
  ['has a model that fails', modelError(500), 'error', 'ModelError'],
  ['has a model that refuses', modelError(415), 'warning', 'the endpoint answers, the model refused'],
  ['has a model that starts', awsError('ModelNotReadyException', 429), 'warning', 'starting'],
  ['is busy', awsError('ThrottlingException'), 'warning', 'takes no more calls'],
])('an endpoint that %s', async (_name, given, result, detail) => {
  aws.answer('InvokeEndpoint', given);
  expect(await aws.troubles()).toMatchObject([
    { check: 'InvokeEndpoint', result, detail: expect.stringContaining(detail), statement: null },
  ]);
});

test('an endpoint that answers with too much', async () => {
  aws.answer('InvokeEndpoint', { body: Buffer.alloc(32 * 1024 * 1024 + 1) });
  expect(await aws.troubles()).toMatchObject([
    {
      result: 'error',
      detail: expect.stringContaining('ANSWER_TOO_LARGE: answer of more than'),
      remedy: 'let the model answer with less',
    },
  ]);
});

test('an answer that does not come within the longest that SageMaker allows was not of the model', async () => {
  aws.putConfig({ sageMakerTaskTimeoutInMilli: 120_000 });
  expect(await aws.troublesWithout('InvokeEndpoint', 65_000)).toMatchObject([
    {
      detail: 'TIMEOUT: no answer within 65000 ms',
      remedy: expect.stringContaining('is there a way to the service'),
    },
  ]);
});

test('an endpoint has the time that the worker gives it', async () => {
  aws.putConfig({ sageMakerTaskTimeoutInMilli: 50 });
  aws.answer('InvokeEndpoint', { trouble: 'hang' });
  expect(await aws.troubles()).toMatchObject([
    {
      result: 'error',
      detail: 'TIMEOUT: no answer within 50 ms',
      remedy: expect.stringMatching(/^raise sageMakerTaskTimeoutInMilli, .*ModelLatency/),
    },
  ]);
});

test('several endpoints, each with its content type, variant, model and component', async () => {
  aws.putConfig({
    sageMakerEndpoint: undefined,
    endpoints: [
      { name: 'one', acceptContentType: 'image/png', targetVariant: 'blue' },
      { name: 'two', targetModel: 'model.tar.gz', inferenceComponent: 'part' },
    ],
  });
  expect(await aws.troubles()).toEqual([]);
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

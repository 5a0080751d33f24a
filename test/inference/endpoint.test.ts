import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { systemClock } from '../../src/core/clock.ts';
import { errorMessage, errorName } from '../../src/core/errors.ts';
import { type EndpointSettings, SageMakerEndpoint } from '../../src/inference/endpoint.ts';
import { classifyInvocationError, overloadOf } from '../../src/inference/invocation-error.ts';
import { type Answer, awsError, serve } from '../support/http-server.ts';
import { localClient } from '../support/services.ts';

interface Asked {
  answer: Answer;
  settings?: Partial<EndpointSettings>;
  onRequest?: () => void;
  signal?: AbortSignal;
}

/** Asks an endpoint once whose server gives this answer. */
async function ask({ answer, settings, onRequest, signal = new AbortController().signal }: Asked) {
  const server = await serve(() => {
    onRequest?.();
    return answer;
  });
  const client = new SageMakerRuntimeClient(localClient(server.url));
  const endpoint = new SageMakerEndpoint({
    client,
    name: 'detector',
    acceptContentType: 'image/jpeg',
    settings: () => ({
      timeoutMillis: 20_000,
      targetVariant: null,
      targetModel: null,
      inferenceComponent: null,
      ...settings,
    }),
    clock: systemClock,
  });
  const invocation = {
    body: Buffer.from('picture'),
    inferenceId: 'abc',
    customAttributes: 'id=a/1/0,streamName=a',
  };
  try {
    const outcome = await endpoint.invoke(invocation, signal).catch((error: unknown) => error);
    return { outcome, requests: server.requests };
  } finally {
    client.destroy();
    await server.close();
  }
}

const success: Answer = { headers: { 'content-type': 'application/json' }, body: '{"prediction":[]}' };

test('sends the picture as SageMaker wants it and gives the answer as it is', async () => {
  const { outcome, requests } = await ask({ answer: success });
  expect(outcome).toMatchObject({ body: Buffer.from('{"prediction":[]}'), contentType: 'application/json' });
  expect(requests).toMatchObject([
    {
      path: '/endpoints/detector/invocations',
      body: Buffer.from('picture'),
      headers: {
        'content-type': 'image/jpeg',
        'x-amzn-sagemaker-custom-attributes': 'id=a/1/0,streamName=a',
        'x-amzn-sagemaker-inference-id': 'abc',
      },
    },
  ]);
  const { headers } = requests[0] ?? { headers: {} };
  expect(Object.keys(headers).filter((name) => name.startsWith('x-amzn-sagemaker-target'))).toEqual([]);
});

test('names the variant, the model and the component that are to answer', async () => {
  const { requests } = await ask({
    answer: success,
    settings: { targetVariant: 'blue', targetModel: 'models/a.tar.gz', inferenceComponent: 'part' },
  });
  expect(requests[0]?.headers).toMatchObject({
    'x-amzn-sagemaker-target-variant': 'blue',
    'x-amzn-sagemaker-target-model': 'models/a.tar.gz',
    'x-amzn-sagemaker-inference-component': 'part',
  });
});

const NO_CAPACITY = 'Inference Component has no capacity to process this request.';
const modelError = (status: number) => awsError('ModelError', 424, { OriginalStatusCode: status });

test.each([
  ['throttling, an HTTP 400', awsError('ThrottlingException'), 'ThrottlingException', 'throttled', 'refused'],
  ['a nameless 429', { status: 429, body: 'slow down' }, 'HTTP_429', 'throttled', 'refused'],
  ['a model that throttles', modelError(429), 'ModelError', 'throttled', 'refused'],
  ['a model whose queue is full', modelError(503), 'ModelError', 'unavailable', 'refused'],
  [
    'a model that is not ready',
    awsError('ModelNotReadyException', 429),
    'ModelNotReadyException',
    'unavailable',
    null,
  ],
  [
    'an unavailable service',
    awsError('ServiceUnavailable', 503),
    'ServiceUnavailable',
    'unavailable',
    'refused',
  ],
  ['an internal failure', awsError('InternalFailure', 500), 'InternalFailure', 'unavailable', null],
  ['a model that fails with 500', modelError(500), 'ModelError', 'unavailable', null],
  ['a model that did not answer in time', modelError(0), 'ModelError', 'unavailable', 'timedOut'],
  ['a model that answers 408', modelError(408), 'ModelError', 'unavailable', 'timedOut'],
  [
    'a component that is scaled to zero',
    awsError('ValidationError', 400, { Message: NO_CAPACITY, message: NO_CAPACITY }),
    'ValidationError',
    'unavailable',
    null,
  ],
  [
    'an error page of a megabyte',
    { status: 502, body: '<html>'.padEnd(2 ** 20, ' ') },
    'HTTP_502',
    'unavailable',
    null,
  ],
  ['a nameless 502', { status: 502, body: 'bad gateway' }, 'HTTP_502', 'unavailable', null],
  ['a cut connection', { trouble: 'reset' as const }, expect.any(String), 'unavailable', null],
  ['no HTTP', { trouble: 'garbage' as const }, expect.any(String), 'unavailable', null],
  ['an endpoint that does not exist', awsError('ValidationError'), 'ValidationError', 'final', null],
  ['no permission', awsError('AccessDeniedException', 403), 'AccessDeniedException', 'final', null],
  ['too large a payload', { status: 413, body: '<html>too large' }, 'HTTP_413', 'final', null],
  ['a picture that the model refuses', modelError(400), 'ModelError', 'final', null],
  ['an answer without end', { trouble: 'endless' as const }, 'ANSWER_TOO_LARGE', 'final', null],
])('%s', async (_name, answer, error, failure, overload) => {
  const { outcome, requests } = await ask({ answer });
  expect(errorName(outcome)).toEqual(error);
  expect([classifyInvocationError(outcome), overloadOf(outcome)]).toEqual([failure, overload]);
  expect(requests).toHaveLength(1);
});

test.each([{ trouble: 'hang' }, { trouble: 'trickle' }] as const)(
  'an answer that is not complete in time is an overload ($trouble)',
  async (answer) => {
    const { outcome } = await ask({ answer, settings: { timeoutMillis: 100 } });
    expect(errorName(outcome)).toBe('TIMEOUT');
    expect([classifyInvocationError(outcome), overloadOf(outcome)]).toEqual(['unavailable', 'timedOut']);
  },
);

test.each([{ trouble: 'hang' }, { trouble: 'trickle' }] as const)(
  'can be called off ($trouble)',
  async (answer) => {
    const controller = new AbortController();
    const onRequest = () => setImmediate(() => controller.abort(new Error('over')));
    const { outcome } = await ask({ answer, onRequest, signal: controller.signal });
    expect(outcome).toBeInstanceOf(Error);
    expect(errorName(outcome)).not.toBe('TIMEOUT');
  },
);

test('a model that quotes its whole log is cut short', async () => {
  const message = 'x'.repeat(30_000);
  const answer = awsError('ModelError', 424, { OriginalStatusCode: 500, Message: message, message });
  const { outcome } = await ask({ answer });
  expect(errorName(outcome)).toBe('ModelError');
  expect(errorMessage(outcome)).toHaveLength(1001);
});

test('nobody who listens and credentials that cannot be had make it unavailable', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const noCredentials = Object.assign(new Error('Could not load credentials'), {
    name: 'CredentialsProviderError',
  });
  expect([refused, noCredentials].map(classifyInvocationError)).toEqual(['unavailable', 'unavailable']);
});

test('what cannot be sent at all is final', () => {
  const error = Object.assign(new TypeError('Invalid character in header'), { code: 'ERR_INVALID_CHAR' });
  expect(classifyInvocationError(error)).toBe('final');
});

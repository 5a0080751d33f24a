import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { SageMakerEndpoint } from '../../src/inference/endpoint.ts';
import { type Answer, awsError, serve } from '../support/http-server.ts';
import { HastyClock, localClient } from '../support/services.ts';

const { signal } = new AbortController();

/** Asks an endpoint whose server gives these answers, one after the other; the last one from then on. */
async function ask(answers: Answer[], options: { clock?: Clock; timeoutMillis?: number } = {}) {
  const server = await serve((_request, count) => answers[Math.min(count, answers.length) - 1] ?? {});
  const client = new SageMakerRuntimeClient(localClient(server.url));
  const retries: string[] = [];
  const endpoint = new SageMakerEndpoint({
    client,
    endpointName: 'detector',
    contentType: 'image/jpeg',
    timeoutMillis: 20_000,
    clock: new HastyWait(),
    ...options,
  });
  try {
    const outcome = await endpoint
      .invoke(
        {
          body: Buffer.from('picture'),
          inferenceId: 'abc',
          customAttributes: 'id=a/1/0',
          onRetry: (error) => retries.push((error as Error).name),
        },
        signal,
      )
      .catch((error: unknown) => error);
    return { outcome, retries, requests: server.requests };
  } finally {
    client.destroy();
    await server.close();
  }
}

/** Waits between attempts take no time; limits are not reached. */
class HastyWait extends HastyClock {
  override async sleep(millis: number, signal?: AbortSignal): Promise<void> {
    if (millis > 10_000) return await systemClock.sleep(millis, signal);
    return await super.sleep(millis, signal);
  }
}

const success: Answer = { headers: { 'content-type': 'application/json' }, body: '{"prediction":[]}' };

test('sends the picture as SageMaker wants it and gives the answer as it is', async () => {
  const { outcome, requests } = await ask([success]);
  expect(outcome).toMatchObject({ body: Buffer.from('{"prediction":[]}'), contentType: 'application/json' });
  expect(requests).toMatchObject([
    {
      path: '/endpoints/detector/invocations',
      body: Buffer.from('picture'),
      headers: {
        'content-type': 'image/jpeg',
        'x-amzn-sagemaker-custom-attributes': 'id=a/1/0',
        'x-amzn-sagemaker-inference-id': 'abc',
      },
    },
  ]);
});

test.each([
  ['throttling, an HTTP 400', awsError('ThrottlingException'), 'ThrottlingException'],
  ['a model that is not ready', awsError('ModelNotReadyException', 429), 'ModelNotReadyException'],
  ['an unavailable service', awsError('ServiceUnavailable', 503), 'ServiceUnavailable'],
  ['a model that fails with 500', awsError('ModelError', 424, { OriginalStatusCode: 500 }), 'ModelError'],
  ['an unnamed 502', { status: 502, body: 'bad gateway' }, expect.anything()],
  ['a reset connection', { trouble: 'reset' as const }, expect.anything()],
])('%s is asked again', async (_name, trouble, error) => {
  const { outcome, retries, requests } = await ask([trouble, trouble, success]);
  expect(outcome).toMatchObject({ contentType: 'application/json' });
  expect(retries).toEqual([error, error]);
  expect(requests).toHaveLength(3);
});

test.each([
  ['an endpoint that does not exist', awsError('ValidationError')],
  ['no permission', awsError('AccessDeniedException', 403)],
  ['a picture the model refuses', awsError('ModelError', 424, { OriginalStatusCode: 400 })],
])('%s is final', async (_name, trouble) => {
  const { outcome, requests } = await ask([trouble]);
  expect(outcome).toBeInstanceOf(Error);
  expect(requests).toHaveLength(1);
});

test('gives up after five attempts with the last error', async () => {
  const { outcome, requests } = await ask([awsError('ThrottlingException')]);
  expect(outcome).toMatchObject({ name: 'ThrottlingException' });
  expect(requests).toHaveLength(5);
});

test('an answer that takes too long is given up and asked for again', async () => {
  const { outcome, retries } = await ask([{ trouble: 'hang' }, success], {
    clock: systemClock,
    timeoutMillis: 50,
  });
  expect(outcome).toMatchObject({ contentType: 'application/json' });
  expect(retries).toHaveLength(1);
});

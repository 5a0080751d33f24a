import {
  InvokeEndpointCommand,
  type InvokeEndpointCommandInput,
  SageMakerRuntimeClient,
} from '@aws-sdk/client-sagemaker-runtime';
import type { LocalService } from '../../src/emulator/dynamo-db.ts';
import { type ObservedInvocation, startSageMakerRuntime } from '../../src/emulator/sagemaker-runtime.ts';
import { type Answer, type ReceivedRequest, serve } from '../support/http-server.ts';
import { localClient } from '../support/services.ts';

const MAX_BODY_BYTES = 6_291_456;
/** No text: every byte there is. */
const BYTES = Buffer.from(Array.from({ length: 256 }, (_, index) => index));

let answer: (request: ReceivedRequest) => Answer;
let container: Awaited<ReturnType<typeof serve>>;
let observed: ObservedInvocation[];
let runtime: LocalService;
let client: SageMakerRuntimeClient;

beforeEach(async () => {
  answer = () => ({ headers: { 'content-type': 'application/json' }, body: '{"prediction":[]}' });
  container = await serve((request) => answer(request));
  observed = [];
  runtime = await startSageMakerRuntime({
    endpoints: () => ['detector'],
    containerUrl: container.url,
    onInvocation: (invocation) => observed.push(invocation),
  });
  client = new SageMakerRuntimeClient(localClient(runtime.url));
});

afterEach(async () => {
  client.destroy();
  await runtime.close();
  await container.close();
});

const invoke = (input: Partial<InvokeEndpointCommandInput> = {}) =>
  client.send(new InvokeEndpointCommand({ EndpointName: 'detector', Body: BYTES, ...input }));

test('asks the container as SageMaker does', async () => {
  await invoke({
    ContentType: 'image/jpeg',
    Accept: 'application/json;verbose',
    CustomAttributes: 'id=door/1/0',
  });
  expect(container.requests).toMatchObject([
    {
      path: '/invocations',
      body: BYTES,
      headers: {
        'content-type': 'image/jpeg',
        accept: 'application/json;verbose',
        'x-amzn-sagemaker-custom-attributes': 'id=door/1/0',
      },
    },
  ]);
});

test('gives the answer as the container has it', async () => {
  answer = () => ({ headers: { 'content-type': 'application/x-npy' }, body: BYTES });
  const output = await invoke({ ContentType: 'image/png' });
  expect(output).toMatchObject({
    ContentType: 'application/x-npy',
    InvokedProductionVariant: 'AllTraffic',
    $metadata: { httpStatusCode: 200 },
  });
  expect(Buffer.from(output.Body)).toEqual(BYTES);
});

test('passes a body of the greatest size, and an empty one', async () => {
  await invoke({ Body: Buffer.alloc(MAX_BODY_BYTES, 1) });
  await invoke({ Body: Buffer.alloc(0) });
  for (const seen of [container.requests, observed]) {
    expect(seen.map(({ body }) => body.length)).toEqual([MAX_BODY_BYTES, 0]);
  }
});

test('refuses a body that is too large', async () => {
  await expect(invoke({ Body: Buffer.alloc(MAX_BODY_BYTES + 1) })).rejects.toMatchObject({
    name: 'ValidationError',
    $metadata: { httpStatusCode: 400 },
  });
  expect(container.requests).toEqual([]);
});

test('has no endpoint but its own', async () => {
  await expect(invoke({ EndpointName: 'another' })).rejects.toMatchObject({
    name: 'ValidationError',
    message: expect.stringContaining('another'),
    $metadata: { httpStatusCode: 400 },
  });
  expect(container.requests).toEqual([]);
});

test.each([400, 429, 500, 503])("tells the model's own %i apart", async (status) => {
  answer = () => ({ status, body: 'out of memory' });
  await expect(invoke()).rejects.toMatchObject({
    name: 'ModelError',
    message: expect.stringContaining('out of memory'),
    OriginalStatusCode: status,
    OriginalMessage: 'out of memory',
    $metadata: { httpStatusCode: 424 },
  });
});

test("a container that does not answer is the service's failure", async () => {
  answer = () => ({ trouble: 'reset' });
  const failure = { name: 'InternalFailure', $metadata: { httpStatusCode: 500 } };
  await expect(invoke()).rejects.toMatchObject(failure);
  await container.close();
  await expect(invoke()).rejects.toMatchObject(failure);
  // To be closed at the end.
  container = await serve((request) => answer(request));
});

test('reports each answered invocation once, and no other', async () => {
  await invoke({ ContentType: 'image/jpeg', CustomAttributes: 'id=door/1/0' });
  answer = () => ({ status: 500, body: 'out of memory' });
  await expect(invoke({ CustomAttributes: 'id=door/1/1' })).rejects.toThrow();
  answer = () => ({ trouble: 'reset' });
  await expect(invoke({ CustomAttributes: 'id=door/1/2' })).rejects.toThrow();
  await expect(invoke({ EndpointName: 'another', CustomAttributes: 'id=door/1/3' })).rejects.toThrow();
  answer = () => ({ body: '{}' });
  await invoke({ ContentType: 'image/png' });
  expect(observed).toEqual([
    { customAttributes: 'id=door/1/0', body: BYTES, contentType: 'image/jpeg' },
    { customAttributes: '', body: BYTES, contentType: 'image/png' },
  ]);
});

import { type Answer, serve } from '../support/http-server.ts';
import { Random } from '../support/random.ts';
import { type HttpProxy, startHttpProxy } from './proxy.ts';

type Target = Awaited<ReturnType<typeof serve>>;

let target: Target;
let proxy: HttpProxy;
let answer: Answer;

beforeEach(async () => {
  answer = { headers: { 'x-amzn-requestid': 'one', 'x-amz-crc32': '7' }, body: '{"ok":true}' };
  target = await serve(() => answer);
  proxy = await startHttpProxy({ target: target.url, random: new Random(1) });
});

afterEach(async () => {
  await proxy.close();
  await target.close();
});

async function call(body = '{}', operation = 'Kinesis_20131202.PutRecords') {
  const response = await fetch(`${proxy.url}/some/path`, {
    method: 'POST',
    headers: { 'x-amz-target': operation },
    body,
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

test('without harm both sides see each other as they are', async () => {
  answer = { ...answer, status: 201 };
  const { status, headers, body } = await call('{"a":1}');
  expect([status, headers.get('x-amzn-requestid'), body]).toEqual([201, 'one', { ok: true }]);
  expect(target.requests).toMatchObject([
    { path: '/some/path', headers: { 'x-amz-target': 'Kinesis_20131202.PutRecords' } },
  ]);
  expect(String(target.requests[0]?.body)).toBe('{"a":1}');
  expect(proxy.struck.size).toBe(0);
});

test.each([
  ['throttled', 400, 'ProvisionedThroughputExceededException'],
  ['failed', 500, 'InternalServerError'],
] as const)('%s: refused, and not forwarded', async (fault, status, type) => {
  proxy.harm(fault, 1);
  expect(await call()).toMatchObject({ status, body: { __type: type } });
  expect(target.requests).toHaveLength(0);
  proxy.heal();
  expect(await call()).toMatchObject({ status: 200 });
  expect([...proxy.struck]).toEqual([[fault, 1]]);
});

test.each([
  ['reset', 0],
  ['answerLost', 1],
] as const)('%s: no answer, %i requests forwarded', async (fault, forwarded) => {
  proxy.harm(fault, 1);
  await expect(call()).rejects.toThrow('fetch failed');
  expect(target.requests).toHaveLength(forwarded);
});

test('hang: no answer until it is over, then a reset', async () => {
  proxy.harm('hang', 1);
  let isOver = false;
  const rejected = expect(call().finally(() => expect(isOver).toBe(true))).rejects.toThrow('fetch failed');
  while (proxy.struck.size === 0) await new Promise((resolve) => setImmediate(resolve));
  isOver = true;
  proxy.heal();
  await rejected;
  expect(target.requests).toHaveLength(0);
});

test('partial: what is forwarded is stored, the rest is refused, in the order of the request', async () => {
  proxy.harm('partial', 1);
  const Records = Array.from({ length: 40 }, (_, index) => ({ Data: String(index) }));
  answer = {
    ...answer,
    body: JSON.stringify({
      FailedRecordCount: 0,
      Records: Records.map((_, index) => ({ SequenceNumber: `stored-${index}` })),
    }),
  };
  const { body, headers } = await call(JSON.stringify({ StreamName: 'results', Records }));
  const forwarded = JSON.parse(String(target.requests[0]?.body));
  expect(forwarded.StreamName).toBe('results');
  const results = body['Records'] as Array<{ SequenceNumber?: string }>;
  const stored = Records.filter((_, index) => results[index]?.SequenceNumber !== undefined);
  expect(stored).toEqual(forwarded.Records);
  expect(stored.length).toBeGreaterThan(5);
  expect(body['FailedRecordCount']).toBe(40 - stored.length);
  expect(body['FailedRecordCount']).toBeGreaterThan(5);
  expect(headers.get('x-amz-crc32')).toBeNull();
});

test('partial leaves other operations alone', async () => {
  proxy.harm('partial', 1);
  expect(await call('{}', 'Kinesis_20131202.ListShards')).toMatchObject({ status: 200, body: { ok: true } });
  expect(proxy.struck.size).toBe(0);
});

test('an answer can be rewritten', async () => {
  const rewriting = await startHttpProxy({
    target: target.url,
    random: new Random(1),
    rewrite: (path, body) => JSON.stringify({ path, body }),
  });
  const response = await fetch(`${rewriting.url}/getDataEndpoint`, { method: 'POST' });
  expect(await response.json()).toEqual({ path: '/getDataEndpoint', body: '{"ok":true}' });
  await rewriting.close();
});

import { DemoObserver } from '../../src/demo/observer.ts';
import { createHandler } from '../../src/lambda/handler.ts';
import { base64, kinesisEvent, kitRecord, PREDICTION, resultRecord } from '../lambda/events.ts';
import { HastyClock, recorded } from '../support/services.ts';

const NOTHING = { prediction: [] };
const SERVER_TIMESTAMP = '2023-11-16T13:20:24.049Z';

function observerOf(...streamNames: string[]): DemoObserver {
  const observer = new DemoObserver();
  observer.watch(streamNames);
  return observer;
}

/** The parser reads a record this long after its fragment reached the service. */
async function parse(observer: DemoObserver, record: object, lagMillis = 0): Promise<void> {
  const handler = createHandler({
    log: {
      record: (entry) => observer.parsed(entry),
      text: () => undefined,
      error: ({ message }) => {
        throw new Error(message);
      },
    },
    environment: {},
    now: () => Date.parse(SERVER_TIMESTAMP) + lagMillis,
  });
  await handler(kinesisEvent(base64(record)));
}

const result = (id: string, output: unknown = NOTHING) =>
  resultRecord(output, { id, streamName: id.split('/')[0] ?? '', serverTimestamp: SERVER_TIMESTAMP });

const answered = (observer: DemoObserver, id: string) =>
  observer.invocation({
    customAttributes: `id=${id},streamName=${id.split('/')[0]}`,
    body: Buffer.from(`picture of ${id}`),
    contentType: 'image/jpeg',
  });

test('sums what the metrics lines of the worker say, by stream', () => {
  const observer = observerOf('door', 'gate');
  const { log, metrics, lines } = recorded(new HastyClock());
  for (const times of [1, 2]) {
    metrics.count('FragmentsReceived', 'door', 3);
    metrics.count('IFramesReceived', 'door', 6 * times);
    metrics.count('FramesSampled', 'door', 2);
    metrics.count('ResultsPublished', 'gate', 5);
    metrics.count('FramesFailed', 'gate');
    metrics.count('FramesSampled', 'unwatched', 100);
    metrics.observe('InvocationLatency', 'door', 40);
    metrics.flush();
  }
  log.warn({ StreamName: 'door', FramesSampled: 1000 }, 'a line of another kind');
  expect(lines.map((line) => observer.workerLine(line))).toEqual([...Array(8).fill(true), false]);

  const none = { parsed: 0, lagMillis: null, picture: null };
  expect(observer.streams).toEqual([
    { streamName: 'door', fragments: 6, iFrames: 18, sampled: 4, published: 0, failed: 0, ...none },
    { streamName: 'gate', fragments: 0, iFrames: 0, sampled: 0, published: 10, failed: 2, ...none },
  ]);
  expect(observer.summary()).toMatchObject({
    streams: 2,
    fragments: 6,
    iFrames: 18,
    sampled: 4,
    published: 10,
    parsed: 0,
    failed: 2,
  });
});

test.each([
  ['of another namespace', { _aws: { CloudWatchMetrics: [{ Namespace: 'Other' }] }, StreamName: 'door' }],
  ['without one', { _aws: {}, StreamName: 'door' }],
  ['without metadata', { FramesSampled: 1, StreamName: 'door' }],
])('a line %s is no metrics', (_name, line) => {
  const observer = observerOf('door');
  expect(observer.workerLine({ FramesSampled: 1, ...line })).toBe(false);
  expect(observer.summary().sampled).toBe(0);
});

test('shows the newest result of a stream, and counts what was seen', async () => {
  const observer = observerOf('door', 'gate');
  await parse(observer, result('door/1/0', PREDICTION), 1000);
  await parse(observer, result('door/1/6'), 2500);
  await parse(observer, result('gate/9/0', PREDICTION), 400);
  expect(observer.streams).toMatchObject([
    { streamName: 'door', parsed: 2, lagMillis: 2500, picture: { id: 'door/1/6', detections: [] } },
    {
      streamName: 'gate',
      parsed: 1,
      lagMillis: 400,
      picture: { id: 'gate/9/0', detections: [{ label: 'dog' }, { label: 'person' }] },
    },
  ]);
  expect(observer.summary()).toMatchObject({ parsed: 3, detections: { dog: 2, person: 2 } });
  expect(observer.state(1234)).toMatchObject({
    uptimeMillis: 1234,
    streams: [{ streamName: 'door' }, { streamName: 'gate' }],
    results: [
      { id: 'gate/9/0', streamName: 'gate', serverTimestamp: SERVER_TIMESTAMP, lagMillis: 400 },
      { id: 'door/1/6', lagMillis: 2500, detections: [] },
      { id: 'door/1/0', lagMillis: 1000, detections: [{ label: 'dog' }, { label: 'person' }] },
    ],
  });
});

test('says nothing of the counts that the worker tells, to who does not see its log', async () => {
  const observer = observerOf('door');
  await parse(observer, result('door/1/0', PREDICTION), 1000);
  const counts = { fragments: null, iFrames: null, sampled: null, published: null, failed: null };
  expect(observer.stateWithoutWorker(1234)).toEqual({
    uptimeMillis: 1234,
    streams: [expect.objectContaining({ streamName: 'door', parsed: 1, lagMillis: 1000, ...counts })],
    results: [expect.objectContaining({ id: 'door/1/0' })],
  });
});

test('names what was seen most first', async () => {
  const observer = observerOf('door');
  const dogs = { prediction: [16, 16, 0].map((index) => [index, 0.9, 0, 0, 1, 1]) };
  const persons = { prediction: [0, 0].map((index) => [index, 0.9, 0, 0, 1, 1]) };
  await parse(observer, result('door/1/0', dogs));
  await parse(observer, result('door/1/6', persons));
  expect(Object.entries(observer.summary().detections)).toEqual([
    ['person', 3],
    ['dog', 2],
  ]);
});

test("lists no result without an id, as AWS KIT's are, nor one of a stream that is not watched", async () => {
  const observer = observerOf('front-door');
  await parse(observer, kitRecord(PREDICTION));
  await parse(observer, result('another/1/0', PREDICTION));
  expect(observer.state(0)).toMatchObject({ streams: [{ parsed: 0, picture: null }], results: [] });
  expect(observer.summary().detections).toEqual({ dog: 2, person: 2 });
});

test.each([
  ['that has failed', { error: 'ModelError', errorMessage: 'bad tensor', attempts: 5 }],
  ['whose output is in S3', { sageMakerOutputUri: 's3://outputs/kvs-inference/app/door/1/0' }],
])('a frame %s is no result in which nothing was seen', async (_name, fields) => {
  const observer = observerOf('door');
  await parse(observer, result('door/1/0', PREDICTION));
  await parse(observer, { ...result('door/1/6', ''), ...fields });
  expect(observer.streams).toMatchObject([{ parsed: 1, picture: { id: 'door/1/0' } }]);
  expect(observer.state(0).results.map(({ id }) => id)).toEqual(['door/1/0']);
});

test('keeps the newest 30 results', async () => {
  const observer = observerOf('door');
  for (let index = 0; index < 40; index += 1) await parse(observer, result(`door/${index}/0`));
  const newest = Array.from({ length: 30 }, (_, index) => `door/${39 - index}/0`);
  expect(observer.state(0).results.map(({ id }) => id)).toEqual(newest);
  expect(observer.summary().parsed).toBe(40);
});

test.each([
  [1, 64],
  [8, 64],
  [9, 72],
  [20, 160],
])('of %i streams keeps the newest %i pictures', (streams, kept) => {
  const observer = observerOf(...Array.from({ length: streams }, (_, index) => `stream-${index}`));
  const ids = Array.from({ length: kept + 10 }, (_, index) => `stream-0/${index}/0`);
  for (const id of ids) answered(observer, id);
  expect(ids.filter((id) => observer.picture(id) !== null)).toEqual(ids.slice(10));
  const newest = ids.at(-1) ?? '';
  expect(observer.picture(newest)).toEqual({
    body: Buffer.from(`picture of ${newest}`),
    contentType: 'image/jpeg',
  });
});

test.each(['', 'id=', 'id=,frameIndex=0', 'trace=1'])(
  'an invocation with the attributes "%s" is no frame',
  (customAttributes) => {
    const observer = observerOf('door');
    observer.invocation({ customAttributes, body: Buffer.alloc(1), contentType: 'image/jpeg' });
    expect([observer.picture(''), observer.picture(customAttributes)]).toEqual([null, null]);
  },
);

test.each<[string, number[], number | null, number | null]>([
  ['nothing', [], null, null],
  ['one', [7], 7, 7],
  ['two', [9, 3], 3, 9],
  ['a hundred, in any order', Array.from({ length: 100 }, (_, index) => ((index * 37) % 100) + 1), 50, 99],
  ['numbers that sort otherwise as texts', [100, 20, 3], 20, 100],
])('percentiles of %s are values that were seen', async (_name, lags, p50, p99) => {
  const observer = observerOf('door');
  for (const [index, lag] of lags.entries()) await parse(observer, result(`door/${index}/0`), lag);
  expect(observer.summary().lagMillis).toEqual({ p50, p99 });
});

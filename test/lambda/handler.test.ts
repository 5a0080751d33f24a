import type { Environment } from '../../src/lambda/environment.ts';
import {
  createHandler,
  type ParserLog,
  type RecordEntry,
  type RecordError,
} from '../../src/lambda/handler.ts';
import { base64, kinesisEvent, kitRecord, PREDICTION, resultRecord, sequenceNumber } from './events.ts';

const NOW = Date.parse('2023-11-16T13:20:24.549Z');

/** Runs the handler over records with this data; `lines` has everything it logged, in order. */
async function parse(data: string[], environment: Environment = {}) {
  const lines: (RecordEntry | RecordError | string)[] = [];
  const add = (line: RecordEntry | RecordError | string) => void lines.push(line);
  const log: ParserLog = { record: add, text: add, error: add };
  const response = await createHandler({ log, environment, now: () => NOW })(kinesisEvent(...data));
  return { lines, response };
}

test('our record: one structured entry, then a line for each detection above the threshold', async () => {
  const record = resultRecord(PREDICTION);
  const { lines, response } = await parse([base64(record)]);
  expect(response).toEqual({ batchItemFailures: [] });
  expect(lines).toEqual([
    {
      streamName: 'front-door',
      fragmentNumber: '91343852333181432392682062607743920146264172589',
      frameIndex: 4,
      id: 'front-door/91343852333181432392682062607743920146264172589/4',
      endpoint: 'detector',
      producerTimestamp: '2023-11-16T13:20:21.761Z',
      serverTimestamp: '2023-11-16T13:20:24.049Z',
      producerLatencyMillis: 2788,
      serverLatencyMillis: 500,
      error: null,
      errorMessage: null,
      attempts: null,
      sageMakerOutputUri: null,
      outputKind: 'objectDetection',
      detectionCount: 2,
      detections: [
        expect.objectContaining({ label: 'dog', confidence: 0.8641945540904998 }),
        expect.objectContaining({ label: 'person', confidence: 0.733766233921051 }),
      ],
      belowThreshold: 1,
      skippedRows: 0,
      rawOutput: null,
      fragmentMetaData: record.fragmentMetaData,
      frameMetaData: record.frameMetaData,
    },
    'detected object: dog, with confidence: 0.8641945540904998',
    'detected object: person, with confidence: 0.733766233921051',
  ]);
});

test("KIT's record of four fields: number and times come from its text", async () => {
  const { lines, response } = await parse([base64(kitRecord(PREDICTION))]);
  expect(response).toEqual({ batchItemFailures: [] });
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatchObject({
    streamName: 'front-door',
    fragmentNumber: '91343852333181432392682062607743920146264172589',
    frameIndex: null,
    id: null,
    endpoint: null,
    producerTimestamp: '2023-11-16T13:20:21.761Z',
    serverTimestamp: '2023-11-16T13:20:24.049Z',
    producerLatencyMillis: 2788,
    serverLatencyMillis: 500,
    detectionCount: 2,
  });
});

test('a KIT record whose text says nothing is logged all the same', async () => {
  const { lines } = await parse([base64({ ...kitRecord(PREDICTION), fragmentMetaData: 'none' })]);
  expect(lines[0]).toMatchObject({
    fragmentNumber: null,
    producerTimestamp: null,
    producerLatencyMillis: null,
    serverTimestamp: null,
    serverLatencyMillis: null,
    detectionCount: 2,
  });
});

test('a producer time known to be missing is not taken from the text', async () => {
  const { lines } = await parse([base64(resultRecord(PREDICTION, { producerTimestamp: null }))]);
  expect(lines[0]).toMatchObject({
    producerTimestamp: null,
    producerLatencyMillis: null,
    serverLatencyMillis: 500,
  });
});

test('fields of the wrong type count as missing', async () => {
  const record = {
    ...resultRecord(PREDICTION),
    id: 7,
    frame: null,
    producerTimestamp: 'today',
    endpoint: {},
  };
  const { lines } = await parse([base64(record)]);
  expect(lines[0]).toMatchObject({ id: null, frameIndex: null, endpoint: null, producerLatencyMillis: null });
});

test('JumpStart', async () => {
  const output = {
    normalized_boxes: [[0.1, 0.2, 0.3, 0.4]],
    classes: [1],
    scores: [0.5],
    labels: ['N/A', 'person'],
  };
  const { lines } = await parse([base64(resultRecord(output))]);
  expect(lines[0]).toMatchObject({ outputKind: 'jumpStart', detectionCount: 1, rawOutput: null });
  expect(lines.slice(1)).toEqual(['detected object: person, with confidence: 0.5']);
});

describe('an unknown output is shown', () => {
  test('as text', async () => {
    const record = resultRecord('x'.repeat(5_000), { contentType: 'text/plain' });
    const { lines } = await parse([base64(record)]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      outputKind: 'raw',
      detectionCount: 0,
      rawOutput: { contentType: 'text/plain', bytes: 5_000, encoding: 'utf8', data: 'x'.repeat(2_000) },
    });
  });

  test('as base64 when it is none', async () => {
    const bytes = Buffer.alloc(3_000, 0xff);
    const record = { ...kitRecord(''), sageMakerOutput: bytes.toString('base64') };
    const { lines } = await parse([base64(record)]);
    expect(lines[0]).toMatchObject({
      rawOutput: { contentType: null, bytes: 3_000, encoding: 'base64', data: '/'.repeat(2_000) },
    });
  });
});

describe('a record without an output is an entry that says why', () => {
  const nothing = {
    outputKind: null,
    detectionCount: 0,
    detections: [],
    belowThreshold: 0,
    skippedRows: 0,
    rawOutput: null,
  };
  const noAnswer = { contentType: null, inferenceMillis: null };

  test('as the frame has failed', async () => {
    const failure = { error: 'ModelError', errorMessage: 'bad tensor', attempts: 5 };
    const { lines, response } = await parse([base64(resultRecord('', { ...noAnswer, ...failure }))]);
    expect(response).toEqual({ batchItemFailures: [] });
    expect(lines).toEqual([
      expect.objectContaining({
        streamName: 'front-door',
        fragmentNumber: '91343852333181432392682062607743920146264172589',
        frameIndex: 4,
        id: 'front-door/91343852333181432392682062607743920146264172589/4',
        ...failure,
        sageMakerOutputUri: null,
        ...nothing,
      }),
    ]);
  });

  test('as it was too large for the record', async () => {
    const fields = { error: 'RESULT_TOO_LARGE', errorMessage: 'too large', sageMakerOutputBytes: 2_000_000 };
    const { lines } = await parse([base64(resultRecord('', fields))]);
    expect(lines).toEqual([
      expect.objectContaining({
        error: 'RESULT_TOO_LARGE',
        errorMessage: 'too large',
        attempts: null,
        ...nothing,
      }),
    ]);
  });

  test('as it is in S3', async () => {
    const fields = { sageMakerOutputUri: 's3://outputs/kvs-inference/app/front-door/1/0' };
    const { lines, response } = await parse([base64(resultRecord('', fields))]);
    expect(response).toEqual({ batchItemFailures: [] });
    expect(lines).toEqual([expect.objectContaining({ error: null, ...fields, ...nothing })]);
  });
});

test('the structured entry is bounded, the lines are complete', async () => {
  const prediction = Array.from({ length: 600 }, () => [0, 0.9, 0, 0, 1, 1]);
  const { lines } = await parse([base64(resultRecord({ prediction }))]);
  const [entry, ...texts] = lines;
  expect(entry).toMatchObject({ detectionCount: 600 });
  expect((entry as RecordEntry).detections).toHaveLength(500);
  expect(texts).toHaveLength(600);
});

test('class names and threshold from the environment; a confidence at the threshold is not above it', async () => {
  const prediction = [
    [0, 0.5, 0, 0, 1, 1],
    [1, 0.51, 0, 0, 1, 1],
  ];
  const environment = { CLASS_NAMES: 'crane,lorry', CONFIDENCE_THRESHOLD: '0.5' };
  const { lines } = await parse([base64(resultRecord({ prediction }))], environment);
  expect(lines[0]).toMatchObject({ detectionCount: 1, belowThreshold: 1 });
  expect(lines.slice(1)).toEqual(['detected object: lorry, with confidence: 0.51']);
});

test('an invalid environment is refused at once', () => {
  const log: ParserLog = { record: () => {}, text: () => {}, error: () => {} };
  expect(() => createHandler({ log, environment: { CONFIDENCE_THRESHOLD: '2' } })).toThrow(
    'CONFIDENCE_THRESHOLD must be a number from 0 to 1, not 2',
  );
});

describe('a bad record', () => {
  const good = base64(resultRecord({ prediction: [] }));
  const { streamName, ...nameless } = kitRecord(PREDICTION);

  test.each([
    ['no base64', '{"streamName"', 'data is not base64'],
    ['cut base64', good.slice(0, -1), 'data is not base64'],
    ['no JSON', base64('detected'), /^data is not JSON: /],
    ['no object', base64('7'), 'data is not a JSON object'],
    [
      'no result record',
      base64({}),
      /^data is not a result record: fragmentMetaData must be text, not undefined$/,
    ],
    ['a missing field', base64(nameless), /streamName must be text, not undefined$/],
    [
      'a field of another type',
      base64({ ...nameless, streamName: 7 }),
      /streamName must be text, not number$/,
    ],
    [
      'output that is no base64',
      base64({ ...nameless, streamName, sageMakerOutput: '{"prediction":[]}' }),
      'sageMakerOutput is not base64',
    ],
  ])('%s: named in an error, and reported', async (_, data, message) => {
    const { lines, response } = await parse([good, data]);
    expect(response).toEqual({ batchItemFailures: [{ itemIdentifier: sequenceNumber(1) }] });
    expect(lines).toHaveLength(2);
    expect(lines[1]).toEqual({
      sequenceNumber: sequenceNumber(1),
      eventID: `shardId-000000000006:${sequenceNumber(1)}`,
      partitionKey: 'front-door',
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    });
  });

  test('ends the batch: what Lambda delivers again is not logged before', async () => {
    const first = base64(resultRecord({ prediction: [] }, { id: 'first' }));
    const last = base64(resultRecord({ prediction: [] }, { id: 'last' }));
    const { lines, response } = await parse([first, 'bad!', last, 'bad!']);
    expect(response).toEqual({ batchItemFailures: [{ itemIdentifier: sequenceNumber(1) }] });
    expect(lines).toEqual([
      expect.objectContaining({ id: 'first' }),
      expect.objectContaining({ message: 'data is not base64' }),
    ]);
  });
});

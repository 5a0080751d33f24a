import { KinesisClient } from '@aws-sdk/client-kinesis';
import { S3Client } from '@aws-sdk/client-s3';
import type { Clock } from '../../src/core/clock.ts';
import { ResultPublisher } from '../../src/result/publisher.ts';
import { type ResultRecord, resultRecordSchema } from '../../src/result/record.ts';
import { ResultWriter } from '../../src/result/writer.ts';
import { eventually } from '../support/eventually.ts';
import { newGate } from '../support/gate.ts';
import { type Answer, type ReceivedRequest, serve } from '../support/http-server.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { localClient, recorded } from '../support/services.ts';
import { lasting, openTenure } from '../support/tenure.ts';
import { FRAGMENT_NUMBER, inference, sampledFrame } from './frames.ts';
import { HastyWait } from './hasty-wait.ts';

const ID = `front-door/${FRAGMENT_NUMBER}/12`;
const KEY = `kvs-inference/cameras/${ID}`;
const { signal: never } = new AbortController();

interface Options {
  resultBucket?: string;
  maxRecordBytes?: number;
  /** Of S3. */
  answer?: (request: ReceivedRequest, count: number) => Answer;
  /** The data stream takes nothing before. */
  opened?: Promise<void>;
  clock?: Clock;
}

async function withWriter(
  options: Options,
  use: (given: {
    writer: ResultWriter;
    config: { resultBucket?: string };
    records: ResultRecord[];
    objects: ReceivedRequest[];
    observed: ReturnType<typeof recorded>;
  }) => Promise<void>,
) {
  const records: ResultRecord[] = [];
  const dataStream = await serve(async ({ body }) => {
    await options.opened;
    const { Records } = JSON.parse(body.toString()) as { Records: Array<{ Data: string }> };
    for (const { Data } of Records) records.push(JSON.parse(Buffer.from(Data, 'base64').toString()));
    const results = Records.map(() => ({ SequenceNumber: '1', ShardId: 's' }));
    return { body: JSON.stringify({ FailedRecordCount: 0, Records: results }) };
  });
  const bucket = await serve(options.answer ?? (() => ({})));
  const kinesis = new KinesisClient(localClient(dataStream.url));
  const s3 = new S3Client({ ...localClient(bucket.url), forcePathStyle: true });
  const { resultBucket, maxRecordBytes = 10_000, clock = new HastyWait() } = options;
  const config = {
    kdsStreamName: 'results',
    maxRecordBytes,
    ...(resultBucket === undefined ? {} : { resultBucket }),
  };
  const observed = recorded(clock);
  const common = { ...observed, clock, config: () => config };
  const publisher = new ResultPublisher({ ...common, kinesis });
  const writer = new ResultWriter({ ...common, publisher, s3, applicationName: 'cameras' });
  try {
    await use({ writer, config, records, objects: bucket.requests, observed });
  } finally {
    kinesis.destroy();
    s3.destroy();
    await Promise.all([dataStream.close(), bucket.close()]);
  }
}

const s3Error = (code: string, status: number): Answer => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: `<Error><Code>${code}</Code><Message>${code} happened</Message></Error>`,
});

test('the output stands in the record as base64', async () => {
  await withWriter({}, async ({ writer, records }) => {
    await writer.write(sampledFrame(12), inference('{"prediction":[]}'));
    expect(records).toMatchObject([{ id: ID, sageMakerOutput: 'eyJwcmVkaWN0aW9uIjpbXX0=' }]);
    expect(records[0]).not.toHaveProperty('sageMakerOutputBytes');
  });
});

test('a frame that has failed is published as such', async () => {
  await withWriter({}, async ({ writer, records }) => {
    const error = Object.assign(new Error('bad tensor'), { name: 'ModelError' });
    await writer.write(sampledFrame(12), { error, attempts: 1, picture: null });
    const failure = { error: 'ModelError', errorMessage: 'bad tensor', attempts: 1 };
    expect(records).toMatchObject([{ id: ID, sageMakerOutput: '', ...failure }]);
  });
});

test('an output of one byte more than the record holds is left out, and said to be', async () => {
  await withWriter({}, async ({ writer, records, observed }) => {
    await writer.write(sampledFrame(12), inference(''));
    const empty = JSON.stringify(records[0]).length + 'front-door'.length;
    const largest = Math.floor((10_000 - empty) / 4) * 3;
    await writer.write(sampledFrame(12), inference(Buffer.alloc(largest)));
    await writer.write(sampledFrame(12), inference(Buffer.alloc(largest + 1)));
    expect(records[1]?.sageMakerOutput).toHaveLength((largest / 3) * 4);
    const tooLarge = records[2];
    expect(tooLarge).toMatchObject({
      id: ID,
      sageMakerOutput: '',
      contentType: 'application/json',
      inferenceMillis: 42,
      error: 'RESULT_TOO_LARGE',
      errorMessage: expect.stringMatching(/^100\d\d bytes with the output, .* holds 10000$/),
      sageMakerOutputBytes: largest + 1,
    });
    expect(resultRecordSchema.parse(tooLarge)).toEqual(tooLarge);
    expect(observed.total('ResultsTooLarge', 'front-door')).toBe(1);
    expect(observed.lines).toContainEqual(expect.objectContaining({ id: ID, results: 1 }));
  });
});

test('what is too large without its output is no result', async () => {
  await withWriter({ maxRecordBytes: 500 }, async ({ writer }) => {
    const written = writer.write(sampledFrame(12), inference(''));
    await expect(written).rejects.toMatchObject({ code: 'RESULT_TOO_LARGE' });
  });
});

describe('with a bucket', () => {
  const output = Buffer.alloc(20_000, 'x');

  test('a large output is stored there before its record is published, a small one is not', async () => {
    await withWriter({ resultBucket: 'outputs' }, async ({ writer, records, objects, observed }) => {
      await writer.write(sampledFrame(12), inference(output));
      await writer.write(sampledFrame(13), inference('{}'));
      expect(objects).toHaveLength(1);
      expect(objects[0]?.path).toMatch(new RegExp(`^/outputs/${KEY}(\\?|$)`));
      expect(objects[0]?.headers['content-type']).toBe('application/json');
      expect(objects[0]?.body.equals(output)).toBe(true);
      const stored = { sageMakerOutputUri: `s3://outputs/${KEY}`, sageMakerOutputBytes: 20_000 };
      expect(records).toMatchObject([
        { id: ID, sageMakerOutput: '', ...stored },
        { sageMakerOutput: 'e30=' },
      ]);
      expect(records[0]).not.toHaveProperty('error');
      expect(resultRecordSchema.parse(records[0])).toEqual(records[0]);
      expect([observed.total('ResultsStored'), observed.total('ResultsTooLarge')]).toEqual([1, 0]);
    });
  });

  test.each<[string, Answer]>([
    ['slows down', s3Error('SlowDown', 503)],
    ['cuts the connection', { trouble: 'reset' }],
    ['is not there', s3Error('NoSuchBucket', 404)],
  ])('that %s the output is put again until it is stored', async (_name, trouble) => {
    const answer = (_request: ReceivedRequest, count: number) => (count <= 3 ? trouble : {});
    await withWriter({ resultBucket: 'outputs', answer }, async ({ writer, records, objects, observed }) => {
      await writer.write(sampledFrame(12), inference(output));
      expect(objects).toHaveLength(4);
      expect(records).toMatchObject([{ sageMakerOutputUri: `s3://outputs/${KEY}` }]);
      expect(observed.total('PublishRetries', 'front-door')).toBe(3);
      expect(observed.lines).toContainEqual(
        expect.objectContaining({ bucket: 'outputs', requests: 1, id: ID }),
      );
    });
  });

  test('that hangs the request is given up after 30 s, and made again', async () => {
    const clock = new ManualClock();
    const answer = (_request: ReceivedRequest, count: number): Answer =>
      count === 1 ? { trouble: 'hang' } : {};
    await withWriter({ resultBucket: 'outputs', answer, clock }, async ({ writer, objects, observed }) => {
      const written = writer.write(sampledFrame(12), inference(output));
      await eventually(() => objects.length === 1);
      clock.advance(30_000);
      await eventually(() => observed.lines.length === 1);
      expect(observed.lines).toMatchObject([{ error: 'TIMEOUT' }]);
      clock.advance(200);
      await written;
      expect(objects).toHaveLength(2);
    });
  });

  test.each<[string, string | undefined, object]>([
    ['another bucket', 'others', { sageMakerOutputUri: `s3://others/${KEY}` }],
    ['none', undefined, { error: 'RESULT_TOO_LARGE' }],
  ])('that is changed for %s: what waits follows', async (_name, resultBucket, published) => {
    const answer = ({ path }: ReceivedRequest) =>
      path.startsWith('/outputs/') ? s3Error('AccessDenied', 403) : {};
    await withWriter({ resultBucket: 'outputs', answer }, async ({ writer, config, records, objects }) => {
      const written = writer.write(sampledFrame(12), inference(output));
      await eventually(() => objects.length > 1);
      if (resultBucket === undefined) delete config.resultBucket;
      else config.resultBucket = resultBucket;
      await written;
      expect(records).toMatchObject([published]);
    });
  });

  test('nothing is put any more when the tenure is over', async () => {
    const { tenure, end } = openTenure();
    await withWriter(
      { resultBucket: 'outputs', answer: () => ({ trouble: 'hang' }), clock: new ManualClock() },
      async ({ writer, records, objects, observed }) => {
        const written = writer.write(sampledFrame(12, tenure), inference(output));
        await eventually(() => objects.length === 1);
        end();
        await expect(written).rejects.toMatchObject({ code: 'TENURE_OVER' });
        expect(records).toEqual([]);
        expect(observed.lines).toEqual([]);
      },
    );
  });
});

describe('room', () => {
  const MIB = 2 ** 20;

  test('is there until 8 MiB of the stream wait to be published, and again when they are', async () => {
    const { open, opened } = newGate();
    await withWriter({ maxRecordBytes: 10 * MIB, opened, clock: new ManualClock() }, async ({ writer }) => {
      // 4 MiB as base64.
      const write = (streamName?: string) =>
        writer.write(
          { ...sampledFrame(12), ...(streamName === undefined ? {} : { streamName }) },
          inference(Buffer.alloc(3 * MIB)),
        );
      const { streamName } = sampledFrame(12);
      const written = [write()];
      await writer.room(streamName, never);
      written.push(write());
      let hasRoom = false;
      const room = writer.room(streamName, never).then(() => {
        hasRoom = true;
      });
      // The others are not held up by it, until 64 MiB wait in all.
      await writer.room('another', never);
      for (let other = 0; other < 14; other += 1) written.push(write(`other ${other}`));
      const cancelled = new AbortController();
      const given = writer.room('another', cancelled.signal);
      await new Promise((resolve) => setImmediate(resolve));
      expect(hasRoom).toBe(false);
      cancelled.abort(new Error('cancelled'));
      await expect(given).rejects.toThrow('cancelled');
      open();
      await Promise.all([...written, room]);
      await writer.room('another', never);
    });
  });

  test('is made by what is given up, too', async () => {
    const { tenure, end } = openTenure();
    const opened = new Promise<void>(() => undefined);
    await withWriter({ maxRecordBytes: 100 * MIB, opened, clock: new ManualClock() }, async ({ writer }) => {
      const written = writer.write(sampledFrame(12, tenure), inference(Buffer.alloc(32 * MIB)));
      const room = writer.room(sampledFrame(12).streamName, lasting.over);
      end();
      await expect(written).rejects.toMatchObject({ code: 'TENURE_OVER' });
      await room;
    });
  });
});

import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { GetMediaCommand, KinesisVideoMediaClient } from '@aws-sdk/client-kinesis-video-media';
import { type KinesisVideoEmulator, startKinesisVideo } from '../../../src/emulator/kinesis-video/server.ts';
import { blockGroup, element, tagsElement } from '../../../src/emulator/matroska-writer.ts';
import { ElementId } from '../../../src/matroska/elements.ts';
import { eventually } from '../../support/eventually.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import {
  block,
  cluster,
  END_OF_FRAGMENT,
  ProducerConnection,
  produce,
  streamHeader,
  VIDEO,
} from './producer.ts';
import {
  BodyReader,
  getMedia,
  numbers,
  post,
  type ReadBody,
  readAll,
  readBody,
  readFragments,
} from './reader.ts';

const NOW = 1_700_000_000_000;

let clock: ManualClock;
let emulator: KinesisVideoEmulator;

beforeEach(async () => {
  clock = new ManualClock(NOW);
  emulator = await startKinesisVideo({ clock });
  emulator.createStream('door');
});

afterEach(() => emulator.close());

const read = (selector: Record<string, unknown>) => getMedia(emulator.url, 'door', selector);
const EARLIEST = { StartSelectorType: 'EARLIEST' };
const NOW_SELECTOR = { StartSelectorType: 'NOW' };

/** Stores a fragment at each of these times, milliseconds after the start; they last until the next. */
async function store(times: readonly number[], streamName = 'door'): Promise<string[]> {
  const connection = await ProducerConnection.open(emulator.url, streamName);
  connection.send(streamHeader());
  const stored: string[] = [];
  for (const time of times) {
    clock.advance(NOW + time - clock.now());
    connection.send(cluster(NOW + time + 500));
    if ((await connection.ack()).EventType === 'RECEIVED') await connection.events(2);
    stored.push(emulator.fragments(streamName).at(-1)?.fragmentNumber ?? '');
  }
  connection.end();
  await connection.remaining();
  return numbers(emulator.fragments(streamName)).map(String);
}

/** The body as far as it comes without any time passing: until the service would have to wait. */
async function readStored(selector: Record<string, unknown>): Promise<ReadBody> {
  const response = await read(selector);
  clock.advance(3000);
  return readBody(response);
}

test('a fragment is a document: the producer’s header, the service’s tags, the Cluster, the trailing tags', async () => {
  const header = streamHeader([VIDEO], tagsElement({ maker: 'x' }));
  const content = Buffer.concat([
    cluster(NOW - 500, block(), block({ timecode: 40 })),
    tagsElement({ motion: 'yes' }, 8),
  ]);
  const connection = await ProducerConnection.open(emulator.url, 'door');
  connection.send(header, content, END_OF_FRAGMENT);
  const { FragmentNumber: fragmentNumber = '' } = await connection.stored();
  clock.advance(1234);
  const response = await read(EARLIEST);
  clock.advance(3000);

  expect(response.statusCode).toBe(200);
  expect(response.headers).toMatchObject({ 'content-type': 'video/webm', 'transfer-encoding': 'chunked' });
  const wireTags = (tags: Record<string, string>) => tagsElement(tags, 4);
  expect(await readAll(response)).toEqual(
    Buffer.concat([
      emulator.fragments('door')[0]?.header ?? Buffer.alloc(0),
      wireTags({
        AWS_KINESISVIDEO_FRAGMENT_NUMBER: fragmentNumber,
        AWS_KINESISVIDEO_SERVER_TIMESTAMP: '1700000000.000',
        AWS_KINESISVIDEO_PRODUCER_TIMESTAMP: '1699999999.500',
      }),
      content,
      wireTags({
        AWS_KINESISVIDEO_MILLIS_BEHIND_NOW: '1234',
        AWS_KINESISVIDEO_CONTINUATION_TOKEN: fragmentNumber,
      }),
    ]),
  );
});

test('the status comes at once, before there is anything to send', async () => {
  const response = await read(NOW_SELECTOR);
  expect(response.statusCode).toBe(200);
});

test('fragments are sent as they are stored, each once, with its own EBML header', async () => {
  const [first] = await produce(emulator.url, 'door', [1000]);
  const response = await read(EARLIEST);
  const reader = new BodyReader();
  const body = response[Symbol.asyncIterator]();
  const readUntil = async (count: number) => {
    while (reader.fragments.length < count) reader.read((await body.next()).value as Buffer);
  };
  await readUntil(1);
  const [second, third] = await produce(emulator.url, 'door', [2000, 3000]);
  await readUntil(3);

  expect(numbers(reader.fragments)).toEqual([first, second, third]);
  expect(reader.ebmlHeaders).toBe(3);
  expect(reader.fragments.every(({ complete }) => complete)).toBe(true);
  response.destroy();
});

test('readers of the same fragments get the same numbers and bytes', async () => {
  await store([0, 1000, 2000]);
  const [one, other] = [await read(EARLIEST), await read(EARLIEST)];
  clock.advance(3000);

  const [oneBody, otherBody] = await Promise.all([readAll(one), readAll(other)]);
  expect(oneBody.length).toBeGreaterThan(0);
  expect(oneBody).toEqual(otherBody);
});

test('blocks pass unchanged: lacing, BlockGroups, track numbers of two bytes', async () => {
  const other = { ...VIDEO, trackNumber: 200 };
  const laced = Buffer.from('810000820102aaaabb', 'hex'); // Xiph lacing: two frames, the first of 2 bytes
  const frame = { timecode: 40, keyFrame: false, payload: Buffer.from('other') };
  const content = cluster(
    1000,
    element(ElementId.SimpleBlock, laced),
    blockGroup({ ...frame, trackNumber: other.trackNumber }),
  );
  const connection = await ProducerConnection.open(emulator.url, 'door');
  connection.send(streamHeader([VIDEO, other]), content, END_OF_FRAGMENT);
  await connection.stored();

  const { fragments } = await readStored(EARLIEST);
  expect(fragments[0]?.frames).toMatchObject([
    { trackNumber: 1, index: 0, keyFrame: true, payload: Buffer.from('aaaa', 'hex') },
    { trackNumber: 1, index: 1, keyFrame: true, payload: Buffer.from('bb', 'hex') },
    { trackNumber: 200, index: 0, ...frame },
  ]);
});

describe('start selectors', () => {
  let stored: string[];

  beforeEach(async () => {
    stored = await store([0, 2000, 4000]);
    clock.advance(60_000);
  });

  test('EARLIEST is the oldest fragment', async () => {
    expect(numbers((await readStored(EARLIEST)).fragments)).toEqual(stored);
  });

  test('NOW is the fragment that is being received, or the next', async () => {
    const connection = await ProducerConnection.open(emulator.url, 'door');
    connection.send(streamHeader(), cluster(NOW + 100_000));
    const { FragmentNumber: open } = await connection.ack();
    const response = await read(NOW_SELECTOR);
    connection.send(END_OF_FRAGMENT);

    expect(numbers(await readFragments(response, 1))).toEqual([open]);
  });

  test('FRAGMENT_NUMBER and CONTINUATION_TOKEN go on after the fragment', async () => {
    const after = { StartSelectorType: 'FRAGMENT_NUMBER', AfterFragmentNumber: stored[0] };
    const token = { StartSelectorType: 'CONTINUATION_TOKEN', ContinuationToken: stored[1] };
    const last = { StartSelectorType: 'FRAGMENT_NUMBER', AfterFragmentNumber: stored[2] };

    expect(numbers((await readStored(after)).fragments)).toEqual(stored.slice(1));
    expect(numbers((await readStored(token)).fragments)).toEqual(stored.slice(2));
    expect(await readStored(last)).toMatchObject({ fragments: [], errors: [] });
  });

  test.each([
    ['before all', -1000, 0],
    ['at the start of one', 2000, 1],
    ['in one', 3999, 1],
    ['in the last', 4000, 2],
    ['after all', 5000, 3],
  ])('SERVER_TIMESTAMP %s', async (_where, offset, index) => {
    const selector = { StartSelectorType: 'SERVER_TIMESTAMP', StartTimestamp: (NOW + offset) / 1000 };
    expect(numbers((await readStored(selector)).fragments)).toEqual(stored.slice(index));
  });

  test.each([
    ['before all', -1000, 0],
    ['at the start of one', 2500, 1],
    ['between two', 2600, 2],
    ['after all', 5000, 3],
  ])('PRODUCER_TIMESTAMP %s', async (_where, offset, index) => {
    const selector = { StartSelectorType: 'PRODUCER_TIMESTAMP', StartTimestamp: (NOW + offset) / 1000 };
    expect(numbers((await readStored(selector)).fragments)).toEqual(stored.slice(index));
  });

  test.each([
    { StartSelectorType: 'FRAGMENT_NUMBER', AfterFragmentNumber: '1' },
    { StartSelectorType: 'CONTINUATION_TOKEN', ContinuationToken: 'unknown' },
  ])('%j is not found: error 4000 in the body', async (selector) => {
    const response = await read(selector);
    expect(response.statusCode).toBe(200);
    expect(await readBody(response)).toMatchObject({ fragments: [], errors: ['4000'] });
  });
});

test('PRODUCER_TIMESTAMP finds the fragment that shows the time, up to the end of its last frame', async () => {
  const frames = [0, 40, 80].map((timecode) => block({ timecode }));
  const connection = await ProducerConnection.open(emulator.url, 'door');
  connection.send(streamHeader(), cluster(1000, ...frames), cluster(5000, ...frames));
  connection.end();
  await connection.remaining();
  const from = async (millis: number) => {
    const selector = { StartSelectorType: 'PRODUCER_TIMESTAMP', StartTimestamp: millis / 1000 };
    return (await readStored(selector)).fragments.map(
      ({ producerTimestampMillis }) => producerTimestampMillis,
    );
  };

  expect(await from(1119)).toEqual([1000, 5000]);
  expect(await from(1120)).toEqual([5000]);
  clock.advance(1000);
  expect(await from(5119)).toEqual([5000]);
  expect(await from(5120)).toEqual([]);
});

describe('the end of a body', () => {
  test('comes after 3 s with nothing to send', async () => {
    const response = await read(EARLIEST);
    clock.advance(2000);
    await produce(emulator.url, 'door', [1000]);
    clock.advance(2000);
    await produce(emulator.url, 'door', [2000]);
    clock.advance(3000);

    expect((await readBody(response)).fragments).toHaveLength(2);
  });

  test('does not come while a fragment is being received', async () => {
    const response = await read(EARLIEST);
    const connection = await ProducerConnection.open(emulator.url, 'door');
    connection.send(streamHeader());
    for (const timecode of [0, 2000]) {
      clock.advance(2000);
      connection.send(cluster(1000 + timecode));
      await connection.ack();
    }
    clock.advance(2000);
    connection.end();
    await connection.remaining();
    expect(await readFragments(response, 2)).toHaveLength(2);
  });

  test('comes after 40 minutes in any case', async () => {
    const limited = await startKinesisVideo({ clock, getMedia: { idleMillis: Number.MAX_SAFE_INTEGER } });
    limited.createStream('door');
    const response = await getMedia(limited.url, 'door', EARLIEST);
    await produce(limited.url, 'door', [1000]);
    clock.advance(40 * 60_000);
    expect((await readBody(response)).fragments).toHaveLength(1);
    await limited.close();
  });

  test('comes when the stream is deleted', async () => {
    const response = await read(EARLIEST);
    await readAll(await post(emulator.url, 'deleteStream', { StreamName: 'door' }));
    expect(await readBody(response)).toMatchObject({ fragments: [], errors: [] });
  });
});

describe('limits', () => {
  const names = async (response: IncomingMessage) => {
    response.resume();
    return [response.statusCode, response.headers['x-amzn-errortype']];
  };

  test('3 connections a stream: the fourth is refused until one is free', async () => {
    emulator.createStream('yard');
    const open = [await read(NOW_SELECTOR), await read(NOW_SELECTOR), await read(NOW_SELECTOR)];
    expect(await names(await read(NOW_SELECTOR))).toEqual([400, 'ConnectionLimitExceededException']);
    expect((await getMedia(emulator.url, 'yard', NOW_SELECTOR)).statusCode).toBe(200);

    open[1]?.destroy();
    await eventually(() => emulator.connections('door').getMedia === 2);
    expect((await read(NOW_SELECTOR)).statusCode).toBe(200);
  });

  test('5 calls a second for each stream', async () => {
    const many = await startKinesisVideo({ clock, getMedia: { connections: 10 } });
    many.createStream('door');
    for (let call = 1; call <= 5; call += 1) {
      expect((await getMedia(many.url, 'door', NOW_SELECTOR)).statusCode).toBe(200);
    }
    const sixth = await getMedia(many.url, 'door', NOW_SELECTOR);
    expect(await names(sixth)).toEqual([400, 'ClientLimitExceededException']);
    clock.advance(1000);
    expect((await getMedia(many.url, 'door', NOW_SELECTOR)).statusCode).toBe(200);
    await many.close();
  });

  test.each([
    [{ StreamName: 'door' }, 400, 'InvalidArgumentException', /StartSelector/],
    [{ StreamName: 'unknown', StartSelector: EARLIEST }, 404, 'ResourceNotFoundException', /not found/],
    [selecting({ StartSelectorType: 'LATEST' }), 400, 'InvalidArgumentException', /StartSelectorType/],
    [
      selecting({ StartSelectorType: 'FRAGMENT_NUMBER' }),
      400,
      'InvalidArgumentException',
      /AfterFragmentNumber/,
    ],
    [selecting({ StartSelectorType: 'SERVER_TIMESTAMP' }), 400, 'InvalidArgumentException', /StartTimestamp/],
    [selecting({ StartSelectorType: 'CONTINUATION_TOKEN' }), 400, 'InvalidArgumentException', /Continuation/],
  ])('%j is answered %i %s', async (body, status, type, message) => {
    const response = await post(emulator.url, 'getMedia', body);
    expect([response.statusCode, response.headers['x-amzn-errortype']]).toEqual([status, type]);
    expect(JSON.parse(String(await readAll(response)))).toEqual({ Message: expect.stringMatching(message) });
  });

  function selecting(StartSelector: Record<string, unknown>) {
    return { StreamName: 'door', StartSelector };
  }
});

test('a slow reader reads from the store at its own pace, and learns when its next fragment is gone', async () => {
  const MEGABYTE = 1024 * 1024;
  const small = await startKinesisVideo({ clock, retention: { fragments: 2 } });
  small.createStream('door');
  const response = await getMedia(small.url, 'door', EARLIEST);
  const timecodes = Array.from({ length: 40 }, (_, index) => index);
  const stored = await produce(small.url, 'door', timecodes, Buffer.alloc(MEGABYTE));

  const { fragments, errors } = await readBody(response);
  expect(errors).toEqual(['4000']);
  expect(fragments.length).toBeLessThan(stored.length);
  expect(numbers(fragments)).toEqual(stored.slice(0, fragments.length));
  await small.close();
});

test('the SDK’s client reads by name and by ARN, and knows the errors', async () => {
  const StreamARN = emulator.createStream('yard');
  const stored = await store([0], 'yard');
  const client = new KinesisVideoMediaClient({
    endpoint: emulator.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'AKID', secretAccessKey: 'SECRET' },
    maxAttempts: 1,
  });
  const StartSelector = { StartSelectorType: 'SERVER_TIMESTAMP', StartTimestamp: new Date(NOW) } as const;
  const bodies = [
    await client.send(new GetMediaCommand({ StreamName: 'yard', StartSelector })),
    await client.send(new GetMediaCommand({ StreamARN, StartSelector })),
  ];
  for (const { ContentType, Payload } of bodies) {
    expect(ContentType).toBe('video/webm');
    expect(numbers(await readFragments(Payload as unknown as IncomingMessage, 1))).toEqual(stored);
  }
  await eventually(() => emulator.connections('yard').getMedia === 0);

  const send = (StreamName: string) => client.send(new GetMediaCommand({ StreamName, StartSelector }));
  await expect(send('unknown')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  const open: (Readable | undefined)[] = [];
  for (let call = 1; call <= 3; call += 1) open.push((await send('yard')).Payload as unknown as Readable);
  await expect(send('yard')).rejects.toMatchObject({ name: 'ClientLimitExceededException' });
  clock.advance(1000);
  await expect(send('yard')).rejects.toMatchObject({ name: 'ConnectionLimitExceededException' });
  for (const payload of open) payload?.destroy();
  client.destroy();
});

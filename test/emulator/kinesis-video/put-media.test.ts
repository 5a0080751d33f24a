import { once } from 'node:events';
import { connect } from 'node:net';
import { systemClock } from '../../../src/core/clock.ts';
import { type KinesisVideoEmulator, startKinesisVideo } from '../../../src/emulator/kinesis-video/server.ts';
import { blockGroup, element, tagsElement } from '../../../src/emulator/matroska-writer.ts';
import { ElementId } from '../../../src/matroska/elements.ts';
import { eventually } from '../../support/eventually.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import {
  AUDIO,
  block,
  cluster,
  clusterStart,
  END_OF_FRAGMENT,
  ProducerConnection,
  produce,
  streamHeader,
  VIDEO,
} from './producer.ts';
import { post, readAll } from './reader.ts';

let emulator: KinesisVideoEmulator;

beforeEach(async () => {
  emulator = await startKinesisVideo({ clock: systemClock });
  emulator.createStream('door');
});

afterEach(() => emulator.close());

const open = (headers?: Record<string, string>) => ProducerConnection.open(emulator.url, 'door', headers);
const timecodes = () => emulator.fragments('door').map(({ timecodeMillis }) => timecodeMillis);

test('every fragment is acknowledged when it starts, when it is received and when it is stored', async () => {
  const connection = await open();
  connection.send(streamHeader(), cluster(1000));
  const buffering = await connection.ack();
  expect(buffering).toEqual({
    EventType: 'BUFFERING',
    FragmentTimecode: 1000,
    FragmentNumber: expect.stringMatching(/^\d{47}$/),
  });
  expect(timecodes()).toEqual([]);

  connection.send(cluster(2000));
  expect(await connection.ack()).toEqual({ ...buffering, EventType: 'RECEIVED' });
  expect(await connection.ack()).toEqual({ ...buffering, EventType: 'PERSISTED' });
  expect(await connection.ack()).toMatchObject({ EventType: 'BUFFERING', FragmentTimecode: 2000 });
  expect(timecodes()).toEqual([1000]);
});

test('the end-of-fragment tag stores the open fragment, and the request stays open', async () => {
  const connection = await open();
  connection.send(streamHeader(), cluster(1000), END_OF_FRAGMENT);
  expect(await connection.events(3)).toEqual(['BUFFERING', 'RECEIVED', 'PERSISTED']);

  connection.send(cluster(2000), END_OF_FRAGMENT);
  expect(await connection.events(3)).toEqual(['BUFFERING', 'RECEIVED', 'PERSISTED']);
  connection.end();
  expect(await connection.remaining()).toEqual([]);
  expect(timecodes()).toEqual([1000, 2000]);
});

test('the end of the body stores the open fragment', async () => {
  const connection = await open();
  connection.send(streamHeader(), cluster(1000));
  connection.end();

  expect((await connection.remaining()).map(({ EventType }) => EventType)).toEqual([
    'BUFFERING',
    'RECEIVED',
    'PERSISTED',
  ]);
  expect(timecodes()).toEqual([1000]);
});

test('a lost connection leaves no open fragment, and the producer may send its timecode again', async () => {
  const lost = await open();
  lost.send(streamHeader(), cluster(1000), cluster(2000));
  expect(await lost.events(4)).toEqual(['BUFFERING', 'RECEIVED', 'PERSISTED', 'BUFFERING']);
  lost.cut();
  await eventually(() => emulator.connections('door').putMedia === 0);

  const [repeated] = await produce(emulator.url, 'door', [1000, 2000]);
  expect(timecodes()).toEqual([1000, 1000, 2000]);
  const [first] = emulator.fragments('door');
  expect(BigInt(repeated ?? 0)).toBeGreaterThan(BigInt(first?.fragmentNumber ?? 0));
});

test('fragment numbers rise irregularly: by one sequence in a connection, to the next thousand in another', async () => {
  const numbers = [
    ...(await produce(emulator.url, 'door', [1000, 2000])),
    ...(await produce(emulator.url, 'door', [1000])),
  ];

  const parts = numbers.map((number) => BigInt(number) >> 92n);
  expect(parts.map((part) => part - (1n << 64n))).toEqual([1n, 2n, 1001n]);
  const millis = numbers.map((number) => Number((BigInt(number) >> 28n) & ((1n << 64n) - 1n)));
  expect(millis).toEqual(emulator.fragments('door').map((fragment) => fragment.serverTimestampMillis));
});

test('what is stored is what was sent, but for the size of the Segment and the end-of-fragment tag', async () => {
  const userTags = tagsElement({ motion: 'yes' }, 8);
  const group = blockGroup({ trackNumber: 1, timecode: 40, keyFrame: false, payload: Buffer.from('B') });
  const sent = Buffer.concat([cluster(1000, block(), group), userTags]);
  const header = streamHeader([VIDEO], tagsElement({ maker: 'x' }));
  const connection = await open();
  connection.send(header, sent, END_OF_FRAGMENT);
  await connection.stored();

  const [fragment] = emulator.fragments('door');
  expect(fragment?.content).toEqual(sent);
  const segmentOfOneByteSize = Buffer.from('18538067ff', 'hex');
  const segmentOfEightByteSize = Buffer.from('1853806701ffffffffffffff', 'hex');
  const at = header.indexOf(segmentOfOneByteSize);
  expect(fragment?.header).toEqual(
    Buffer.concat([
      header.subarray(0, at),
      segmentOfEightByteSize,
      header.subarray(at + segmentOfOneByteSize.length),
    ]),
  );
});

test('Segment and Clusters of known size are fragments too', async () => {
  const clusters = [1000, 2000].map((timecode) =>
    element(ElementId.Cluster, [element(ElementId.Timestamp, timecode), block()]),
  );
  const [ebml, segment] = splitAtSegment(streamHeader());
  const connection = await open();
  connection.send(ebml, element(ElementId.Segment, Buffer.concat([segment, ...clusters])));
  connection.end();
  await connection.remaining();

  expect(emulator.fragments('door').map(({ content }) => content)).toEqual(clusters);
});

test('the producer timestamp is the timecode, or added to the start where timecodes are relative', async () => {
  await produce(emulator.url, 'door', [1_795_224_392_458]);
  const relative = await open({
    'x-amzn-fragment-timecode-type': 'RELATIVE',
    'x-amzn-producer-start-timestamp': '1795224395.5',
  });
  relative.send(streamHeader(), cluster(2000), END_OF_FRAGMENT);
  expect(await relative.stored()).toMatchObject({ FragmentTimecode: 2000 });

  expect(emulator.fragments('door').map((fragment) => fragment.producerTimestampMillis)).toEqual([
    1_795_224_392_458, 1_795_224_397_500,
  ]);
});

test('a stream without data retention stores fragments, and acknowledges only that they came', async () => {
  emulator.createStream('buffer', { dataRetentionInHours: 0 });
  const connection = await ProducerConnection.open(emulator.url, 'buffer');
  connection.send(streamHeader(), cluster(1000));
  connection.end();

  expect((await connection.remaining()).map(({ EventType }) => EventType)).toEqual(['BUFFERING', 'RECEIVED']);
  expect(emulator.fragments('buffer')).toHaveLength(1);
});

describe('a body that is not right is reported, and the connection ended', () => {
  const blocks = (...timecodeOfEach: number[]) => timecodeOfEach.map((timecode) => block({ timecode }));
  const tags = (count: number) =>
    tagsElement(Object.fromEntries(Array.from({ length: count }, (_, index) => [`tag-${index}`, 'value'])));
  const large = Buffer.alloc(26 * 1024 * 1024);

  test.each<[string, string, number, Buffer[]]>([
    ['no Matroska', 'INVALID_MKV_DATA', 4006, [Buffer.from('not Matroska')]],
    ['a second Segment', 'INVALID_MKV_DATA', 4006, [streamHeader(), cluster(1000), streamHeader()]],
    ['a Cluster before Tracks', 'INVALID_MKV_DATA', 4006, [...splitAtSegment(streamHeader([])), cluster(1)]],
    ['a block before the Timestamp', 'INVALID_MKV_DATA', 4006, [streamHeader(), clusterOf(block())]],
    ['no Timestamp', 'INVALID_MKV_DATA', 4006, [streamHeader(), clusterOf(), cluster(1000)]],
    [
      'a block of another track',
      'TRACK_NUMBER_MISMATCH',
      4010,
      [streamHeader(), cluster(1000, block({ trackNumber: 2 }))],
    ],
    [
      'a track without frames',
      'FRAMES_MISSING_FOR_TRACK',
      4011,
      [streamHeader([VIDEO, AUDIO]), cluster(1000), END_OF_FRAGMENT],
    ],
    [
      'four tracks',
      'MORE_THAN_ALLOWED_TRACKS_FOUND',
      4012,
      [streamHeader([1, 2, 3, 4].map((trackNumber) => ({ ...AUDIO, trackNumber })))],
    ],
    [
      'frames over more than 20 s',
      'MAX_FRAGMENT_DURATION_REACHED',
      4002,
      [streamHeader(), cluster(1000, ...blocks(0, 20_001))],
    ],
    [
      'a timecode before the last one',
      'FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS',
      4004,
      [streamHeader(), cluster(1000), cluster(999)],
    ],
    ['more than 10 tags', 'FRAGMENT_METADATA_LIMIT_REACHED', 4009, [streamHeader(), cluster(1000), tags(11)]],
    [
      'more than 50 MB',
      'MAX_FRAGMENT_SIZE_REACHED',
      4001,
      [streamHeader(), cluster(1000, block({ payload: large }), block({ payload: large }))],
    ],
    [
      'a block of more than 50 MB',
      'MAX_FRAGMENT_SIZE_REACHED',
      4001,
      [streamHeader(), clusterStart(1000), Buffer.from('a30100000004000000', 'hex')],
    ],
  ])('%s: %s', async (_problem, code, id, parts) => {
    const connection = await open();
    connection.send(...parts);
    const acks = await connection.remaining();

    const expected = { EventType: 'ERROR', ErrorCode: code, ErrorId: id };
    expect(acks.at(-1)).toMatchObject(expected);
    expect(acks.filter(({ EventType }) => EventType === 'ERROR')).toHaveLength(1);
    await eventually(() => emulator.connections('door').putMedia === 0);
  });

  test('an element that the end of the body cuts', async () => {
    const connection = await open();
    const whole = cluster(1000);
    connection.send(streamHeader(), whole.subarray(0, whole.length - 1));
    connection.end();

    expect((await connection.remaining()).at(-1)).toMatchObject({ ErrorCode: 'INVALID_MKV_DATA' });
    expect(timecodes()).toEqual([]);
  });

  test('the error names the fragment that was open; what was stored before stays', async () => {
    const connection = await open();
    connection.send(streamHeader(), cluster(1000), cluster(2000, block({ trackNumber: 9 })));
    const acks = await connection.remaining();

    const [error] = acks.slice(-1);
    const [buffering] = acks.slice(-2);
    expect(buffering).toMatchObject({ EventType: 'BUFFERING', FragmentTimecode: 2000 });
    expect(error).toMatchObject({
      EventType: 'ERROR',
      FragmentTimecode: 2000,
      FragmentNumber: buffering?.FragmentNumber,
    });
    expect(timecodes()).toEqual([1000]);
  });
});

test('a producer that sends on after its connection was ended is cut after a second', async () => {
  const clock = new ManualClock();
  const strict = await startKinesisVideo({ clock });
  strict.createStream('door');
  const socket = connect({ port: Number(new URL(strict.url).port), host: '127.0.0.1', allowHalfOpen: true });
  const head = [
    'POST /putMedia HTTP/1.1',
    'host: x',
    'transfer-encoding: chunked',
    'x-amzn-stream-name: door',
  ];
  const lines = [...head, 'x-amzn-fragment-timecode-type: ABSOLUTE', '', 'c', 'not Matroska', ''];
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.write(lines.join('\r\n'));
  await once(socket, 'end');
  expect(answer).toContain('INVALID_MKV_DATA');

  const chunk = '4\r\nmore\r\n';
  socket.write(chunk);
  expect(strict.connections('door').putMedia).toBe(1);
  clock.advance(1000);
  const failed = once(socket, 'error');
  await eventually(() => !socket.write(chunk) || socket.destroyed);
  await failed;
  expect(strict.connections('door').putMedia).toBe(0);
  await strict.close();
});

test('deleting the stream ends its producers', async () => {
  const connection = await open();
  connection.send(streamHeader(), cluster(1000));
  await connection.ack();
  await post(emulator.url, 'deleteStream', { StreamName: 'door' });

  expect(await connection.remaining()).toMatchObject([
    { EventType: 'ERROR', ErrorCode: 'STREAM_NOT_ACTIVE' },
  ]);
});

test('a producer that stalls in a fragment is ended when a newer connection stores a later one', async () => {
  const stalled = await open();
  stalled.send(streamHeader(), cluster(1000));
  await stalled.ack();
  const [number] = await produce(emulator.url, 'door', [5000]);

  expect(await stalled.remaining()).toEqual([]);
  expect(emulator.fragments('door').map(({ fragmentNumber }) => fragmentNumber)).toEqual([number]);
});

test('two producers that take turns interleave', async () => {
  const first = await open();
  const second = await open();
  first.send(streamHeader(), cluster(1000), END_OF_FRAGMENT);
  await first.stored();
  second.send(streamHeader(), cluster(1500), END_OF_FRAGMENT);
  await second.stored();
  first.send(cluster(2000), END_OF_FRAGMENT);
  await first.stored();

  expect(timecodes()).toEqual([1000, 1500, 2000]);
  const numbers = emulator.fragments('door').map(({ fragmentNumber }) => fragmentNumber);
  expect(numbers).toEqual([...numbers].sort());
});

test('a connection that brings nothing for 30 s is ended, its open fragment forgotten', async () => {
  const clock = new ManualClock();
  const idle = await startKinesisVideo({ clock });
  idle.createStream('door');
  const connection = await ProducerConnection.open(idle.url, 'door');
  connection.send(streamHeader(), cluster(1000));
  await connection.ack();
  clock.advance(29_000);
  connection.send(cluster(2000));
  expect(await connection.events(3)).toEqual(['RECEIVED', 'PERSISTED', 'BUFFERING']);
  clock.advance(29_000);
  connection.send(cluster(3000));
  expect(await connection.events(3)).toEqual(['RECEIVED', 'PERSISTED', 'BUFFERING']);
  clock.advance(30_000);

  expect(await connection.remaining()).toEqual([]);
  expect(idle.fragments('door')).toHaveLength(2);
  await idle.close();
});

test.each([
  [{ 'x-amzn-stream-name': 'unknown' }, 404, 'ResourceNotFoundException', /not found/],
  [{ 'x-amzn-stream-name': '' }, 400, 'InvalidArgumentException', /StreamName/],
  [{ 'x-amzn-fragment-timecode-type': 'OTHER' }, 400, 'InvalidArgumentException', /FragmentTimecodeType/],
  [{ 'x-amzn-producer-start-timestamp': 'now' }, 400, 'InvalidArgumentException', /ProducerStartTimestamp/],
])('a request with %j is answered %i %s', async (headers, status, type, message) => {
  const { response } = await open(headers);

  expect(response.statusCode).toBe(status);
  expect(response.headers['x-amzn-errortype']).toBe(type);
  expect(JSON.parse(String(await readAll(response)))).toEqual({ Message: expect.stringMatching(message) });
});

/** The EBML header, and what stands in the Segment. */
function splitAtSegment(header: Buffer): [Buffer, Buffer] {
  const at = header.indexOf(Buffer.from('18538067', 'hex'));
  return [header.subarray(0, at), header.subarray(at + 5)];
}

function clusterOf(...blocks: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from('1f43b675ff', 'hex'), ...blocks]);
}

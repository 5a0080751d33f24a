import fc from 'fast-check';
import { EBML_HEADER, element, tagsElement, unknownSizeHeader } from '../../src/emulator/matroska-writer.ts';
import { ElementId } from '../../src/matroska/elements.ts';
import { MatroskaError } from '../../src/matroska/error.ts';
import {
  audioTrackEntry,
  block,
  demuxAll,
  type FragmentOptions,
  getMediaFragment,
  strippedHeader,
  videoTrackEntry,
} from '../support/matroska.ts';

const FIRST = '91343852333181432392682062607743920146159169392';
const SECOND = '91343852333181432397633822764885441725874549018';

function framesOf(bytes: Buffer, chunkSize?: number) {
  const { events, error } = demuxAll(bytes, chunkSize);
  expect(error).toBeNull();
  return events.flatMap((event) => (event.type === 'frame' ? [event.frame] : []));
}

function fragment(options: Partial<FragmentOptions> = {}): Buffer {
  return getMediaFragment({ number: FIRST, ...options });
}

describe('a GetMedia body', () => {
  test('becomes fragments with their metadata and frames', () => {
    const body = Buffer.concat([
      fragment({
        serverSeconds: '1511852109.126',
        producerSeconds: '1511852108.513',
        millisBehindNow: '15858',
      }),
      getMediaFragment({ number: SECOND }),
    ]);
    const { events, truncated } = demuxAll(body);
    expect(truncated).toBe(false);
    expect(events.map(({ type }) => type)).toEqual(
      ['fragmentStart', 'frame', 'frame', 'fragmentEnd'].concat([
        'fragmentStart',
        'frame',
        'frame',
        'fragmentEnd',
      ]),
    );
    expect(events[0]).toMatchObject({
      fragment: {
        fragmentNumber: FIRST,
        serverTimestampMillis: 1511852109126,
        producerTimestampMillis: 1511852108513,
      },
    });
    const [start] = events;
    expect(start?.type === 'fragmentStart' && start.tracks.get(1)).toMatchObject({
      trackType: 'video',
      codecId: 'V_MPEG4/ISO/AVC',
      pixelWidth: 640,
      pixelHeight: 360,
      codecPrivate: Buffer.from('014d401effe1', 'hex'),
    });
    expect(events[1]).toMatchObject({
      frame: {
        trackNumber: 1,
        index: 0,
        timecode: 0,
        keyFrame: true,
        lacing: 'NO',
        payload: Buffer.from('key'),
      },
    });
    expect(events[2]).toMatchObject({ frame: { index: 1, timecode: 40, offsetMillis: 40, keyFrame: false } });
    expect(events[3]).toMatchObject({ complete: true, millisBehindNow: 15858, continuationToken: FIRST });
  });

  test('gives the same events whatever the chunks are', () => {
    const body = Buffer.concat([
      fragment({
        unknownSizeCluster: true,
        content: [block(0, true, 'k'.repeat(3000)), block(33, false, 'd')],
      }),
      getMediaFragment({ number: SECOND }),
    ]);
    const whole = demuxAll(body);
    for (const chunkSize of [1, 2, 3, 7, 11, 12, 13, 100, 2999, 4096]) {
      expect(demuxAll(body, chunkSize)).toEqual(whole);
    }
  });

  test('gives each event as soon as its last byte is in', () => {
    const body = fragment();
    const counts: number[] = [];
    for (let length = 1; length <= body.length; length += 1) {
      const { events } = demuxAll(body.subarray(0, length));
      // What end() adds for the cut fragment is not counted.
      counts.push(events.filter((event) => event.type !== 'fragmentEnd' || event.complete).length);
    }
    expect(counts.at(-1)).toBe(4);
    expect(counts.at(-2)).toBe(3);
    const firstFrameEnd = body.indexOf('key') + 'key'.length;
    expect(counts[firstFrameEnd - 1]).toBe(2);
    expect(counts[firstFrameEnd - 2]).toBe(1);
  });

  test('has complete fragments only with their trailing tags', () => {
    const cut = fragment({ withoutTrailer: true });
    expect(demuxAll(cut)).toMatchObject({ truncated: true });
    expect(demuxAll(cut).events.at(-1)).toMatchObject({ type: 'fragmentEnd', complete: false });
    const { events } = demuxAll(Buffer.concat([cut, getMediaFragment({ number: SECOND })]));
    const ends = events.flatMap((event) => (event.type === 'fragmentEnd' ? [event] : []));
    expect(ends).toMatchObject([
      { complete: false },
      { complete: true, fragment: { fragmentNumber: SECOND } },
    ]);
  });

  test('takes trailing tags that come in two elements', () => {
    const body = Buffer.concat([
      fragment({ withoutTrailer: true }),
      tagsElement({ AWS_KINESISVIDEO_MILLIS_BEHIND_NOW: '15858' }),
      tagsElement({ AWS_KINESISVIDEO_CONTINUATION_TOKEN: FIRST }),
    ]);
    expect(demuxAll(body).events.at(-1)).toMatchObject({
      type: 'fragmentEnd',
      complete: true,
      millisBehindNow: 15858,
      continuationToken: FIRST,
    });
  });

  test('reports errors of the service, in both spellings', () => {
    const error = Buffer.concat([
      EBML_HEADER,
      unknownSizeHeader(ElementId.Segment),
      tagsElement({ AWS_KINESISVIDEO_ERROR_CODE: '4000', AWS_KINESISVIDEO_ERROR_ID: '4000' }),
      tagsElement({
        AWS_KINESISVIDEO_EXCEPTION_ERROR_CODE: 'InternalFailure',
        AWS_KINESISVIDEO_EXCEPTION_MESSAGE: 'try later',
      }),
    ]);
    expect(demuxAll(error).events).toEqual([
      {
        type: 'error',
        code: '4000',
        message: 'requested fragment is not found',
        offset: EBML_HEADER.length + 12,
      },
      { type: 'error', code: 'InternalFailure', message: 'try later', offset: expect.any(Number) },
    ]);
  });

  test('may have tags without a cluster', () => {
    const bytes = Buffer.concat([
      EBML_HEADER,
      unknownSizeHeader(ElementId.Segment),
      tagsElement({
        AWS_KINESISVIDEO_FRAGMENT_NUMBER: FIRST,
        AWS_KINESISVIDEO_SERVER_SIDE_TIMESTAMP: '12.5',
      }),
      fragment({ number: SECOND }),
    ]);
    expect(demuxAll(bytes).events.slice(0, 2)).toMatchObject([
      { type: 'fragmentStart', fragment: { fragmentNumber: FIRST, serverTimestampMillis: 12500 } },
      { type: 'fragmentEnd', complete: false },
    ]);
  });
});

describe('traps of real captures', () => {
  test('producer tags between blocks and trailing tags end a cluster of unknown size', () => {
    const content = [block(0, true, 'a'), tagsElement({ myTag: 'x' })];
    const { events } = demuxAll(fragment({ unknownSizeCluster: true, content }));
    expect(events.map(({ type }) => type)).toEqual(['fragmentStart', 'frame', 'fragmentEnd']);
    expect(events.at(-1)).toMatchObject({ complete: true });
  });

  test('sizes and integers of 8 bytes', () => {
    const eightByteSize = (id: string, data: Buffer) => {
      const size = Buffer.alloc(8);
      size.writeBigUInt64BE(BigInt(data.length));
      size[0] = 1;
      return Buffer.concat([Buffer.from(id, 'hex'), size, data]);
    };
    const timestamp = Buffer.alloc(8);
    timestamp.writeBigUInt64BE(1795224288569n);
    const bytes = Buffer.concat([
      EBML_HEADER,
      unknownSizeHeader(ElementId.Segment),
      unknownSizeHeader(ElementId.Cluster),
      eightByteSize('e7', timestamp),
      eightByteSize('a3', Buffer.from('8100288078', 'hex')),
    ]);
    expect(framesOf(bytes)).toMatchObject([{ timecode: 40, timestampMillis: 1795224288609, keyFrame: true }]);
  });

  test.each(['ff', '7fff', '3fffff', '1fffffff', '07ffffffffff', '01ffffffffffffff'])(
    'unknown size 0x%s',
    (size) => {
      const bytes = Buffer.concat([
        EBML_HEADER,
        Buffer.from(`18538067${size}`, 'hex'),
        Buffer.from(`1f43b675${size}`, 'hex'),
        block(0, true, 'a'),
        Buffer.from(`1f43b675${size}`, 'hex'),
        block(0, true, 'b'),
      ]);
      expect(framesOf(bytes).map(({ payload }) => String(payload))).toEqual(['a', 'b']);
      expect(demuxAll(bytes)).toMatchObject({ truncated: false });
    },
  );

  test('a BlockGroup is a key frame unless it has a reference', () => {
    const group = (payload: string, ...more: Buffer[]) =>
      element(ElementId.BlockGroup, [
        element(ElementId.Block, Buffer.concat([Buffer.from('81000000', 'hex'), Buffer.from(payload)])),
        ...more,
      ]);
    const content = [group('key'), group('delta', element(ElementId.ReferenceBlock, Buffer.from([0xd8])))];
    expect(framesOf(fragment({ content }), 1)).toMatchObject([
      { keyFrame: true, payload: Buffer.from('key') },
      { keyFrame: false, payload: Buffer.from('delta') },
    ]);
  });

  test('frames of several tracks are numbered per track, also with two-byte track numbers', () => {
    const content = [
      block(0, true, 'v'),
      block(0, true, 'a', 300),
      block(5, true, 'b', 300),
      block(9, false, 'w'),
    ];
    expect(framesOf(fragment({ content })).map(({ trackNumber, index }) => [trackNumber, index])).toEqual([
      [1, 0],
      [300, 0],
      [300, 1],
      [1, 1],
    ]);
  });

  test('tracks of a later segment replace those before, and timecodes may jump back', () => {
    const bytes = Buffer.concat([
      fragment({
        clusterTimestamp: 10_014,
        tracks: element(ElementId.Tracks, [videoTrackEntry, audioTrackEntry]),
      }),
      getMediaFragment({ number: SECOND, clusterTimestamp: 0 }),
    ]);
    const { events } = demuxAll(bytes);
    const starts = events.flatMap((event) =>
      event.type === 'fragmentStart' ? [[...event.tracks.keys()]] : [],
    );
    expect(starts).toEqual([[1, 2], [1]]);
    expect(framesOf(bytes).map(({ timestampMillis }) => timestampMillis)).toEqual([10_014, 10_054, 0, 40]);
  });

  test('Void, CRC-32, Cues and unknown elements are passed over', () => {
    const unknown = Buffer.from(`${'42ffabcd83010203'.slice(0, 4)}83010203`, 'hex');
    const content = [
      Buffer.from('bf8401020304', 'hex'),
      Buffer.from('ec820000', 'hex'),
      unknown,
      block(0, true, 'x'),
    ];
    const cues = element(0x1c53bb6b, Buffer.from('bb80', 'hex'));
    const bytes = Buffer.concat([fragment({ content, withoutTrailer: true }), cues]);
    expect(framesOf(bytes, 1).map(({ payload }) => String(payload))).toEqual(['x']);
  });

  test('a value of a track that cannot be right leaves the fragments readable', () => {
    const broken = element(ElementId.TrackEntry, [
      element(ElementId.TrackNumber, 2),
      element(ElementId.TrackType, 2),
      element(ElementId.Audio, [element(ElementId.SamplingFrequency, Buffer.alloc(10))]),
    ]);
    const nameless = element(ElementId.TrackEntry, [element(ElementId.TrackType, 2)]);
    const tracks = element(ElementId.Tracks, [videoTrackEntry, broken, nameless]);
    const { events, error } = demuxAll(fragment({ tracks }));
    expect(error).toBeNull();
    const [start] = events;
    const declared = start?.type === 'fragmentStart' ? [...start.tracks.values()] : [];
    expect(declared.map(({ unreadable }) => unreadable)).toEqual([
      null,
      expect.stringContaining('a float of 10 bytes'),
    ]);
    expect(events.at(-1)).toMatchObject({ complete: true });
  });

  test('the value of a tag may stand before its name, and tags within tags', () => {
    const tags = element(ElementId.Tags, [
      element(ElementId.Tag, [
        element(ElementId.SimpleTag, [
          element(ElementId.TagString, FIRST),
          element(ElementId.SimpleTag, [
            element(ElementId.TagName, 'inner'),
            element(ElementId.TagString, 'x'),
          ]),
          element(ElementId.TagName, 'AWS_KINESISVIDEO_FRAGMENT_NUMBER'),
        ]),
      ]),
    ]);
    const bytes = Buffer.concat([EBML_HEADER, unknownSizeHeader(ElementId.Segment), tags]);
    expect(demuxAll(bytes)).toMatchObject({
      truncated: true,
      events: [{ type: 'fragmentStart', fragment: { fragmentNumber: FIRST } }, { complete: false }],
    });
  });

  test('a header that the muxer stripped is put back', () => {
    const entry = element(ElementId.TrackEntry, [
      element(ElementId.TrackNumber, 1),
      element(ElementId.TrackType, 1),
      strippedHeader(Buffer.from([0, 0])),
    ]);
    const frames = framesOf(
      fragment({ tracks: element(ElementId.Tracks, [entry]), content: [block(0, true, 'x')] }),
    );
    expect(frames[0]?.payload).toEqual(Buffer.from('\0\0x'));
  });

  test('Matroska that is not from GetMedia: each cluster is a fragment without number', () => {
    const cluster = (time: number) =>
      element(ElementId.Cluster, [element(ElementId.Timestamp, time), block(0, true, 'k')]);
    const bytes = Buffer.concat([EBML_HEADER, element(ElementId.Segment, [cluster(0), cluster(2000)])]);
    const { events, truncated } = demuxAll(bytes);
    expect(truncated).toBe(false);
    expect(events.filter(({ type }) => type === 'fragmentEnd')).toMatchObject([
      { complete: true, fragment: { fragmentNumber: null } },
      { complete: true },
    ]);
    expect(demuxAll(bytes.subarray(0, -1))).toMatchObject({ truncated: true });
  });
});

describe('corrupt input', () => {
  const segment = Buffer.concat([EBML_HEADER, unknownSizeHeader(ElementId.Segment)]);
  test.each([
    ['no Matroska', Buffer.from('GIF89a'), 'NOT_MATROSKA', 0],
    ['no EBML header first', unknownSizeHeader(ElementId.Segment), 'NOT_MATROSKA', 0],
    ['another DocType', element(ElementId.EBML, [element(ElementId.DocType, 'divx')]), 'NOT_MATROSKA', 5],
    [
      'a zero byte where an ID should be',
      Buffer.concat([segment, Buffer.from([0, 1, 2])]),
      'INVALID_ELEMENT_ID',
      52,
    ],
    [
      'no size after an ID',
      Buffer.concat([segment, Buffer.from('1654ae6b00', 'hex')]),
      'INVALID_ELEMENT_SIZE',
      52,
    ],
    [
      'a leaf of unknown size',
      Buffer.concat([segment, Buffer.from('1f43b675ffa3ff', 'hex')]),
      'INVALID_ELEMENT_SIZE',
      57,
    ],
    [
      'a child larger than its parent',
      Buffer.concat([
        segment,
        Buffer.from('1254c367857373ff', 'hex').subarray(0, 5),
        Buffer.from('73739000', 'hex'),
      ]),
      'ELEMENT_EXCEEDS_PARENT',
      57,
    ],
    [
      'an element over the limit',
      Buffer.concat([segment, Buffer.from('1f43b675ffa308ffffffff', 'hex')]),
      'ELEMENT_TOO_LARGE',
      57,
    ],
    [
      'a cluster inside of tags',
      Buffer.concat([segment, Buffer.from('1254c367901f43b675', 'hex'), Buffer.from([0x80])]),
      'UNEXPECTED_ELEMENT',
      57,
    ],
    [
      'a header that its parent cuts',
      Buffer.concat([segment, Buffer.from('1254c367827373ff', 'hex')]),
      'ELEMENT_EXCEEDS_PARENT',
      57,
    ],
    [
      'a time that no clock has',
      Buffer.concat([
        segment,
        Buffer.from('2ad7b188000fffffffffffff1f43b675ffe7871fffffffffffffa38481000180', 'hex'),
      ]),
      'INVALID_VALUE',
      78,
    ],
    ['an empty block', Buffer.concat([segment, Buffer.from('1f43b675ffa380', 'hex')]), 'INVALID_BLOCK', 57],
    [
      'a timestamp that no number holds',
      Buffer.concat([segment, Buffer.from('1f43b675ffe788ffffffffffffffff', 'hex')]),
      'INVALID_VALUE',
      57,
    ],
  ])('%s: what, in which element, where', (_name, bytes, code, offset) => {
    for (const chunkSize of [1, 5, bytes.length]) {
      const { error } = demuxAll(bytes, chunkSize);
      expect(error).toBeInstanceOf(MatroskaError);
      expect(error).toMatchObject({ code, offset });
    }
  });

  test('a DocType or a number of any length makes a short message', () => {
    const docType = element(ElementId.EBML, [element(ElementId.DocType, 'x'.repeat(100_000))]);
    const number = element(ElementId.Timestamp, Buffer.alloc(100_000, 1));
    for (const bytes of [docType, Buffer.concat([segment, unknownSizeHeader(ElementId.Cluster), number])]) {
      expect(String(demuxAll(bytes).error).length).toBeLessThan(5000);
    }
  });

  test('frames of more tracks than there can be', () => {
    const blocks = Array.from({ length: 128 }, (_, index) => block(0, true, 'x', index + 1));
    const { events, error } = demuxAll(fragment({ content: blocks }));
    expect(error).toMatchObject({ code: 'INVALID_BLOCK' });
    expect(events.filter(({ type }) => type === 'frame')).toHaveLength(127);
  });

  test('tags that cannot be right are none', () => {
    const [start, ...rest] = demuxAll(
      fragment({ serverSeconds: '1e300', producerSeconds: ' ', millisBehindNow: '' }),
    ).events;
    expect(start).toMatchObject({
      fragment: { fragmentNumber: FIRST, serverTimestampMillis: null, producerTimestampMillis: null },
    });
    expect(rest.at(-1)).toMatchObject({ type: 'fragmentEnd', complete: true, millisBehindNow: null });
    expect(demuxAll(fragment({ number: '9'.repeat(129) })).events[0]).toMatchObject({
      fragment: { fragmentNumber: null },
    });
  });

  test('a stripped header of any length makes the track unreadable', () => {
    const entry = element(ElementId.TrackEntry, [
      element(ElementId.TrackNumber, 1),
      strippedHeader(Buffer.alloc(65)),
    ]);
    const [start] = demuxAll(fragment({ tracks: element(ElementId.Tracks, [entry]) })).events;
    expect(start?.type === 'fragmentStart' && start.tracks.get(1)).toMatchObject({
      strippedHeader: null,
      unreadable: expect.stringContaining('at most 64'),
    });
  });

  test('what was complete before stands', () => {
    const bytes = Buffer.concat([fragment(), Buffer.from([0])]);
    const { events, error } = demuxAll(bytes);
    expect(error).toMatchObject({ code: 'INVALID_ELEMENT_ID', offset: bytes.length - 1 });
    expect(events.at(-1)).toMatchObject({ type: 'fragmentEnd', complete: true });
  });

  test('a size within the limit that never comes holds no more memory than the limit', () => {
    const header = Buffer.concat([segment, Buffer.from('1f43b675ffa3100fffff', 'hex')]);
    const { events, truncated, error } = demuxAll(
      Buffer.concat([header, Buffer.from('81000080', 'hex'), Buffer.alloc(1000)]),
      10,
      2 ** 20,
    );
    expect({ types: events.map(({ type }) => type), truncated, error }).toEqual({
      types: ['fragmentStart', 'fragmentEnd'],
      truncated: true,
      error: null,
    });
  });

  test('any damage ends in a MatroskaError or in events, in any chunks alike', () => {
    const body = Buffer.concat([
      fragment({ unknownSizeCluster: true }),
      getMediaFragment({
        number: SECOND,
        tracks: element(ElementId.Tracks, [videoTrackEntry, audioTrackEntry]),
      }),
    ]);
    const damage = fc.array(fc.record({ at: fc.nat(body.length - 1), byte: fc.nat(255) }), { maxLength: 4 });
    fc.assert(
      fc.property(
        damage,
        fc.integer({ min: 1, max: 64 }),
        fc.nat(body.length),
        (changes, chunkSize, length) => {
          const bytes = Buffer.from(body.subarray(0, length));
          for (const { at, byte } of changes) if (at < length) bytes[at] = byte;
          const inChunks = demuxAll(bytes, chunkSize);
          if (inChunks.error !== null) expect(inChunks.error).toBeInstanceOf(MatroskaError);
          expect(inChunks).toEqual(demuxAll(bytes));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('random bytes after a valid start do neither hang nor escape', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        const { error } = demuxAll(Buffer.concat([segment, Buffer.from(noise)]), 7);
        if (error !== null) expect(error).toBeInstanceOf(MatroskaError);
      }),
      { numRuns: 500 },
    );
  });
});

import fc from 'fast-check';
import {
  EBML_HEADER,
  element,
  simpleBlock,
  tagsElement,
  unknownSizeHeader,
} from '../../src/emulator/matroska-writer.ts';
import { ElementId } from '../../src/matroska/elements.ts';
import { generatedBody } from '../fuzz/bodies.ts';
import { problemOf } from '../fuzz/check.ts';
import { elementSpans } from '../fuzz/elements.ts';
import { memoryProblemOf } from '../fuzz/memory.ts';
import { MUTATION_KINDS, type Mutation, mutated } from '../fuzz/mutate.ts';
import { getMediaFragment, strippedHeader } from '../support/matroska.ts';
import { Random } from '../support/random.ts';

const number = fc.nat(2 ** 32 - 1);
const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom(...MUTATION_KINDS),
  kindOfElement: number,
  element: number,
  value: number,
  isFitted: fc.boolean(),
});
const body = number.map((seed) => generatedBody(new Random(seed)));

test('what is well-formed is demuxed alike in any chunks', () => {
  fc.assert(
    fc.property(body, (bytes) => {
      expect(problemOf(bytes)).toBeNull();
    }),
  );
});

test.each(MUTATION_KINDS)('damage of the kind %s', (kind) => {
  fc.assert(
    fc.property(body, mutation, (bytes, change) => {
      expect(problemOf(mutated(bytes, [{ ...change, kind }]))).toBeNull();
    }),
    { numRuns: 25 },
  );
});

test('damage upon damage', () => {
  fc.assert(
    fc.property(body, fc.array(mutation, { minLength: 2, maxLength: 6 }), (bytes, changes) => {
      expect(problemOf(mutated(bytes, changes))).toBeNull();
    }),
    { numRuns: 80 },
  );
});

test('a cut at any byte', () => {
  const bytes = getMediaFragment({ number: '1' });
  for (let length = 0; length <= bytes.length; length += 1) {
    expect(problemOf(bytes.subarray(0, length))).toBeNull();
  }
});

describe('memory', () => {
  const MEBIBYTE = Buffer.alloc(1024 * 1024, '7');
  const start = Buffer.concat([EBML_HEADER, unknownSizeHeader(ElementId.Segment)]);

  /** The start of a stream, and then as many parts as make so many bytes. */
  function* stream(
    first: Buffer,
    totalMebibytes: number,
    part: (index: number) => Buffer,
  ): Generator<Buffer, void, undefined> {
    yield Buffer.concat([start, first]);
    let fed = 0;
    for (let index = 0; fed < totalMebibytes * MEBIBYTE.length; index += 1) {
      const bytes = part(index);
      fed += bytes.length;
      yield bytes;
    }
  }

  const nothing = Buffer.alloc(0);
  const cluster = unknownSizeHeader(ElementId.Cluster);
  const fragments = Buffer.concat(Array<Buffer>(100).fill(getMediaFragment({ number: '1' })));
  const trackEntry = (index: number) =>
    element(ElementId.TrackEntry, [
      element(ElementId.TrackNumber, index + 1),
      element(ElementId.CodecPrivate, MEBIBYTE),
      element(ElementId.Name, MEBIBYTE),
      element(ElementId.CodecID, MEBIBYTE),
    ]);

  test.each([
    [
      'frames of ever new tracks',
      cluster,
      2,
      (index: number) => {
        const block = (at: number) =>
          simpleBlock({ trackNumber: index * 1000 + at, timecode: 0, keyFrame: true, payload: nothing });
        return Buffer.concat(Array.from({ length: 1000 }, (_, at) => block(at)));
      },
    ],
    ['large tracks', unknownSizeHeader(ElementId.Tracks), 24, trackEntry],
    [
      'large tags',
      nothing,
      24,
      (index: number) => tagsElement({ [`tag${index}`]: MEBIBYTE.toString('latin1') }),
    ],
    [
      'service tags that are large',
      unknownSizeHeader(ElementId.Tags),
      24,
      (index: number) => {
        const name = ['FRAGMENT_NUMBER', 'CONTINUATION_TOKEN', 'ERROR_CODE', 'EXCEPTION_MESSAGE'][index % 4];
        const tag = tagsElement({ [`AWS_KINESISVIDEO_${name}`]: MEBIBYTE.toString('latin1') });
        const [, inner] = elementSpans(tag);
        return tag.subarray(inner?.start);
      },
    ],
    [
      'tags in tags',
      unknownSizeHeader(ElementId.Tags),
      1,
      () => Buffer.concat(Array<Buffer>(1000).fill(unknownSizeHeader(ElementId.SimpleTag, 1))),
    ],
    [
      'blocks without end in one group',
      Buffer.concat([cluster, unknownSizeHeader(ElementId.BlockGroup)]),
      24,
      () => element(ElementId.Block, MEBIBYTE.subarray(0, 1_000_000)),
    ],
    ['fragments without end', nothing, 2, () => fragments],
    [
      'a size that is never reached',
      Buffer.concat([cluster, Buffer.from('a308100000', 'hex')]),
      24,
      () => MEBIBYTE,
    ],
  ])('%s', (_name, first, totalMebibytes, part) => {
    expect(memoryProblemOf(stream(first, totalMebibytes, part))).toBeNull();
  });
});

test('a header that was stripped does not make much of little', () => {
  const entry = element(ElementId.TrackEntry, [
    element(ElementId.TrackNumber, 1),
    strippedHeader(Buffer.alloc(100_000)),
  ]);
  // 256 frames of no bytes, for each way of lacing.
  const blocks = [0x82, 0x84, 0x86].map((flags) => Buffer.from([0x81, 0, 0, flags, 255]));
  const sizes = Buffer.concat([Buffer.from([0x80]), Buffer.alloc(254, 0xbf)]);
  const [xiph, fixed, ebml] = blocks as [Buffer, Buffer, Buffer];
  const tails = [Buffer.concat([xiph, Buffer.alloc(255)]), fixed, Buffer.concat([ebml, sizes])];
  for (const tail of tails) {
    const tracks = element(ElementId.Tracks, [entry]);
    const content = [element(ElementId.SimpleBlock, tail)];
    expect(problemOf(getMediaFragment({ number: '1', tracks, content }))).toBeNull();
  }
});

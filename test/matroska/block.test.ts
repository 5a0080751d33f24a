import { parseBlock } from '../../src/matroska/block.ts';
import type { EbmlElement } from '../../src/matroska/ebml-reader.ts';

const element: EbmlElement = {
  id: 0xa3,
  name: 'SimpleBlock',
  level: 2,
  start: 7,
  end: 99,
  isUnknownSize: false,
};

function payloads(hex: string): string[] {
  return parseBlock(element, Buffer.from(hex.replaceAll(' ', ''), 'hex')).payloads.map((payload) =>
    payload.toString('hex'),
  );
}

test('header: track number, signed timecode, flags', () => {
  expect(parseBlock(element, Buffer.from('412cffd889', 'hex'))).toMatchObject({
    trackNumber: 300,
    timecode: -40,
    keyFrame: true,
    invisible: true,
    discardable: true,
    lacing: 'NO',
  });
});

// RFC 9559, 10.3.
test('Xiph lacing', () => {
  expect(payloads('81 0000 02 02 02 01 aaaa bb cccccc')).toEqual(['aaaa', 'bb', 'cccccc']);
  const long = 'dd'.repeat(256);
  expect(payloads(`81 0000 02 01 ff01 ${long} ee`)).toEqual([long, 'ee']);
});

test('EBML lacing: the first size, then signed differences', () => {
  expect(payloads('81 0000 06 03 82 c0 bd aaaa bbbbbb cc dd')).toEqual(['aaaa', 'bbbbbb', 'cc', 'dd']);
});

test('fixed-size lacing', () => {
  expect(payloads('81 0000 04 01 aaaa bbbb')).toEqual(['aaaa', 'bbbb']);
});

test.each([
  ['no payload', ''],
  ['cut header', '810000'],
  ['no track number', '008100000000000000008000'],
  ['a track number of ones', 'ff000080'],
  ['Xiph size beyond the data', '81 0000 02 01 ff'],
  ['EBML size beyond the data', '81 0000 06 01 ff'],
  ['negative EBML size', '81 0000 06 02 81 80 aa'],
  ['fixed size that does not divide', '81 0000 04 01 aabbcc'],
  ['frames of no size', '81 0000 04 ff'],
  ['lacing without a count', '81 0000 02'],
])('%s is an error that says where', (_name, hex) => {
  expect(() => payloads(hex)).toThrow(
    expect.objectContaining({ code: 'INVALID_BLOCK', offset: 7, element: 'SimpleBlock' }),
  );
});

import { canCopy, copiedFrames, lengthPrefixed } from '../../../src/emulator/camera/copy.ts';
import type { MediaPacket } from '../../../src/video/media-file.ts';

describe('lengthPrefixed', () => {
  test.each([
    {
      name: 'long and short start codes',
      annexB: '00000001 65aabb 000001 41cc',
      expected: '00000003 65aabb 00000002 41cc',
    },
    {
      name: 'zero bytes between units',
      annexB: '000001 09f0 0000 00000001 65aa',
      expected: '00000002 09f0 00000002 65aa',
    },
    { name: 'zero bytes at the end', annexB: '000001 65aa 0000', expected: '00000002 65aa' },
    { name: 'emulation prevention', annexB: '000001 65000003 01', expected: '00000005 6500000301' },
    { name: 'nothing', annexB: '', expected: '' },
  ])('takes $name', ({ annexB, expected }) => {
    expect(lengthPrefixed(bytes(annexB))).toEqual(bytes(expected));
  });
});

describe('canCopy', () => {
  const seconds = (...keyFrames: readonly number[]) =>
    Array.from({ length: 60 }, (_, index) =>
      packet({ ptsMillis: 500 + index * 100, keyFrame: keyFrames.includes(index / 10) }),
    );

  test.each([
    { name: 'key frames two seconds apart', packets: seconds(0, 2, 4), expected: true },
    { name: 'a start without a key frame', packets: seconds(1, 3, 5), expected: true },
    { name: 'key frames three seconds apart', packets: seconds(0, 3, 5), expected: false },
    { name: 'an end without key frames', packets: seconds(0, 2), expected: false },
    { name: 'no key frame', packets: seconds().slice(0, 5), expected: false },
    {
      name: 'a packet without a timestamp',
      packets: [...seconds(0).slice(0, 5), packet({ ptsMillis: null })],
      expected: false,
    },
    { name: 'a still picture', packets: [packet({ keyFrame: true })], expected: false },
    { name: 'nothing', packets: [], expected: false },
  ])('judges $name', ({ packets, expected }) => {
    expect(canCopy(packets)).toBe(expected);
  });
});

test('copiedFrames starts at a key frame, and joins what a broken clock separates', async () => {
  const packets = [
    packet({ ptsMillis: 0, dtsMillis: 0 }),
    packet({ ptsMillis: 200, dtsMillis: 100, keyFrame: true }),
    packet({ ptsMillis: 400, dtsMillis: 200 }),
    packet({ ptsMillis: 300, dtsMillis: 300 }),
    packet({ ptsMillis: 90_200, dtsMillis: 90_100, keyFrame: true }),
  ];
  const frames = [];
  for await (const frame of copiedFrames(packets, { track, isAnnexB: false })) frames.push(frame);

  expect(frames.map(({ timeMillis, keyFrame }) => [timeMillis, keyFrame])).toEqual([
    [100, true],
    [300, false],
    [200, false],
    [400, true],
  ]);
});

const track = { codecId: 'V_VP8', codecPrivate: null, pixelWidth: 64, pixelHeight: 64 };

function packet(values: Partial<MediaPacket>): MediaPacket {
  const ptsMillis = values.ptsMillis ?? null;
  return {
    dtsMillis: ptsMillis,
    durationMillis: 100,
    keyFrame: false,
    data: Buffer.alloc(1),
    ...values,
    ptsMillis,
  };
}

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

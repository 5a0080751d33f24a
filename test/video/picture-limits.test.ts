import { AV_CODEC_ID_MJPEG, AV_CODEC_ID_PNG } from 'node-av/constants';
import { type CodecParameters, codecParameters } from '../../src/video/codec.ts';
import type { Picture, PictureFormat, PictureOptions } from '../../src/video/encoder.ts';
import { PicturePool } from '../../src/video/picture-pool.ts';
import { makeVideo, type Video } from '../support/media.ts';
import { as, decode, firstFrame, PICTURE_CODECS, psnr, rgb, trackOf } from './pictures.ts';

const WIDTH = 320;
const HEIGHT = 192;
const FORMATS: PictureFormat[] = ['jpeg', 'png', 'bmp', 'gif'];

let video: Video;
let parameters: CodecParameters;

beforeAll(async () => {
  video = await makeVideo({ codec: 'h264', width: WIDTH, height: HEIGHT, frames: 1 });
  parameters = codecParameters(trackOf(video));
});

async function picture(options: PictureOptions): Promise<Picture> {
  return await new PicturePool(1).picture(parameters, firstFrame(video), options);
}

/** What each pixel of half the size would be: the mean of four. */
function halved(pixels: Buffer): Buffer {
  const out = Buffer.alloc(pixels.length / 4);
  const at = (x: number, y: number, channel: number) => pixels[(y * WIDTH + x) * 3 + channel] ?? 0;
  for (let index = 0; index < out.length; index += 1) {
    const channel = index % 3;
    const x = (Math.floor(index / 3) % (WIDTH / 2)) * 2;
    const y = Math.floor(index / 3 / (WIDTH / 2)) * 2;
    const sum = at(x, y, channel) + at(x + 1, y, channel) + at(x, y + 1, channel) + at(x + 1, y + 1, channel);
    out[index] = Math.round(sum / 4);
  }
  return out;
}

describe('size', () => {
  test('a picture that must be smaller shows the same', async () => {
    const full = await rgb(await decode(AV_CODEC_ID_PNG, null, (await picture(as('png'))).data));
    const half = await picture(as('png', { maxWidth: WIDTH / 2, maxHeight: 1000 }));
    expect(half).toMatchObject({ width: WIDTH / 2, height: HEIGHT / 2, reduced: null });
    const pixels = await rgb(await decode(AV_CODEC_ID_PNG, null, half.data));
    expect(psnr(pixels, halved(full))).toBeGreaterThan(25);
  });

  test.each(FORMATS)('a %s is never enlarged', async (format) => {
    expect(await picture(as(format, { maxWidth: 4000, maxHeight: 4000 }))).toEqual(await picture(as(format)));
  });

  test.each(FORMATS.flatMap((format) => [1, 2, 3, 17, 319].map((maxWidth) => [format, maxWidth] as const)))(
    'a %s may be %i pixels wide',
    async (format, maxWidth) => {
      const { data, width, height } = await picture(as(format, { maxWidth }));
      expect({ width, height }).toEqual({
        width: maxWidth,
        height: Math.max(1, Math.round((maxWidth / WIDTH) * HEIGHT)),
      });
      const frame = await decode(PICTURE_CODECS[format], null, data);
      expect([frame.width, frame.height]).toEqual([width, height]);
      frame.free();
    },
  );

  test('pixels that are not square stay so', async () => {
    const jpeg = (await picture(as('jpeg'))).data;
    const wide = withDensity(jpeg, 12, 11);
    const track = trackOf({ codecId: 'V_MJPEG', codecPrivate: null, width: WIDTH, height: HEIGHT });
    const pool = new PicturePool(1);
    for (const format of ['jpeg', 'png', 'gif'] as const) {
      const { data, height } = await pool.picture(
        codecParameters(track),
        wide,
        as(format, { maxWidth: 160 }),
      );
      const frame = await decode(PICTURE_CODECS[format], null, data);
      const { num, den } = frame.sampleAspectRatio;
      expect(height).toBe(96);
      expect(num / den).toBeCloseTo(12 / 11, 1);
      frame.free();
    }
  });
});

/** With the shape of its pixels in a JFIF segment of its own. */
function withDensity(jpeg: Buffer, x: number, y: number): Buffer {
  const segment = Buffer.from('ffe000104a46494600010200000b000c0000', 'hex');
  segment.writeUInt16BE(x, 12);
  segment.writeUInt16BE(y, 14);
  return Buffer.concat([jpeg.subarray(0, 2), segment, jpeg.subarray(2)]);
}

test('JPEG is as large as its quality', async () => {
  const sizes: number[] = [];
  for (const quality of [100, 70, 40, 1]) sizes.push((await picture(as('jpeg', { quality }))).data.length);
  expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
  expect(new Set(sizes).size).toBe(4);
  const png = await picture(as('png'));
  expect(await picture(as('png', { quality: 1 }))).toEqual(png);
});

describe('bytes', () => {
  test.each(FORMATS)('a %s that fits is left alone', async (format) => {
    const whole = await picture(as(format));
    expect(await picture(as(format, { maxBytes: whole.data.length }))).toEqual(whole);
    expect(whole.reduced).toBeNull();
  });

  test.each(FORMATS.flatMap((format) => [0.999, 0.6, 0.3].map((share) => [format, share] as const)))(
    'a %s is made to fit %f of what it has',
    async (format, share) => {
      const fromBytes = (await picture(as(format))).data.length;
      const maxBytes = Math.floor(fromBytes * share);
      const { data, width, height, reduced } = await picture(as(format, { maxBytes }));
      expect(data.length).toBeLessThanOrEqual(maxBytes);
      expect(data.length).toBeGreaterThan(maxBytes * 0.4);
      const quality = format === 'jpeg' ? expect.any(Number) : null;
      expect(reduced).toEqual({ width, height, quality, fromBytes });
      const frame = await decode(PICTURE_CODECS[format], null, data);
      expect([frame.width, frame.height]).toEqual([width, height]);
      frame.free();
    },
  );

  test('a JPEG keeps its size while less quality is enough', async () => {
    const full = (await picture(as('jpeg'))).data.length;
    const reduced = async (maxBytes: number) => (await picture(as('jpeg', { maxBytes }))).reduced;
    expect(await reduced(full - 1)).toMatchObject({ width: WIDTH, height: HEIGHT });
    const tiny = await reduced(Math.floor(full / 20));
    expect(tiny?.width).toBeLessThan(WIDTH);
    expect(tiny?.quality).toBe(66);
  });

  test('limits of pixels and of bytes hold together', async () => {
    const half = await picture(as('png', { maxWidth: WIDTH / 2 }));
    const maxBytes = half.data.length - 1;
    const { data, reduced } = await picture(as('png', { maxWidth: WIDTH / 2, maxBytes }));
    expect(data.length).toBeLessThanOrEqual(maxBytes);
    expect(reduced).toMatchObject({ fromBytes: half.data.length });
  });

  test.each(FORMATS)('a %s that cannot be made to fit fails by name', async (format) => {
    await expect(picture(as(format, { maxBytes: 20 }))).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      message: expect.stringContaining('cannot be made to fit 20'),
    });
  });
});

describe('memory', () => {
  test('a frame that claims to be gigantic is not decoded', async () => {
    const forged = await makeVideo({ codec: 'vp8', width: 64, height: 64, frames: 1 });
    const payload = Buffer.from(firstFrame(forged));
    // RFC 6386, 9.1: behind the frame tag and the start code, 14 bits each.
    payload.writeUInt16LE(16_383, 6);
    payload.writeUInt16LE(16_383, 8);
    await expect(
      new PicturePool(1).picture(codecParameters(trackOf(forged)), payload, as('jpeg')),
    ).rejects.toMatchObject({ code: 'DECODE_FAILED', message: expect.stringContaining('35389440 pixels') });
  });

  test('a 4K frame is a picture', async () => {
    const large = await makeVideo({ codec: 'mjpeg', width: 3840, height: 2160, frames: 1 });
    const result = await new PicturePool(1).picture(
      codecParameters(trackOf(large)),
      firstFrame(large),
      as('jpeg', { maxWidth: 1280 }),
    );
    expect(result).toMatchObject({ width: 1280, height: 720 });
    const frame = await decode(AV_CODEC_ID_MJPEG, null, result.data);
    expect([frame.width, frame.height]).toEqual([1280, 720]);
    frame.free();
  });
});

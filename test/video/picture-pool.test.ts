import * as constants from 'node-av/constants';
import type { Frame } from 'node-av/lib';
import { AVCodecIds, type CodecParameters, codecParameters, profileName } from '../../src/video/codec.ts';
import type { PictureFormat } from '../../src/video/encoder.ts';
import { PicturePool } from '../../src/video/picture-pool.ts';
import { makeVideo, type TestCodec, type Video } from '../support/media.ts';
import { Random } from '../support/random.ts';
import { as, decode, firstFrame, PICTURE_CODECS, psnr, rgb, trackOf } from './pictures.ts';

/** GIF has 256 colours. */
const LEAST_PSNR: Record<PictureFormat, number> = { jpeg: 36, png: Infinity, bmp: Infinity, gif: 15 };
const FORMATS: PictureFormat[] = ['jpeg', 'png', 'bmp', 'gif'];
const CODECS: TestCodec[] = ['h264', 'hevc', 'mjpeg', 'vp8', 'vp9', 'av1'];

async function withPool<T>(use: (pool: PicturePool) => Promise<T>, size = 1): Promise<T> {
  const pool = new PicturePool(size);
  try {
    return await use(pool);
  } finally {
    await pool.onIdle();
  }
}

describe.each(CODECS)('%s', (codec) => {
  let video: Video;
  let parameters: CodecParameters;
  let reference: Buffer;

  beforeAll(async () => {
    video = await makeVideo({ codec, width: 192, height: 128, frames: 2 });
    parameters = codecParameters(trackOf(video));
    const pool = new PicturePool(1);
    const picture = await pool.picture(parameters, firstFrame(video), as('png'));
    // FFmpeg's own AV1 decoder needs a GPU: there is no second opinion on that one.
    const decoded =
      codec === 'av1'
        ? await decode(constants.AV_CODEC_ID_PNG, null, picture.data)
        : await decode(parameters.codecId, parameters.extradata, firstFrame(video));
    await pool.onIdle();
    reference = await rgb(decoded);
  });

  test.each(FORMATS)('as %s is the picture that FFmpeg decodes', async (format) => {
    const picture = await withPool((pool) => pool.picture(parameters, firstFrame(video), as(format)));
    expect(picture).toMatchObject({ width: 192, height: 128 });
    const seen = await rgb(await decode(PICTURE_CODECS[format], null, picture.data));
    expect(psnr(seen, reference)).toBeGreaterThanOrEqual(LEAST_PSNR[format]);
  });
});

test.each(['h264', 'hevc'] as const)(
  '%s between start codes, with its parameters in the frame',
  async (codec) => {
    const video = await makeVideo({ codec, container: codec, width: 192, height: 128, frames: 1 });
    const track = trackOf({ ...video, codecPrivate: null });
    const picture = await withPool((pool) => pool.picture(codecParameters(track), video.bytes, as('jpeg')));
    expect(picture).toMatchObject({ width: 192, height: 128 });
  },
);

test('B-frames do not hold a key frame back', async () => {
  const video = await makeVideo({ codec: 'h264', width: 64, height: 64, frames: 10, bFrames: 3 });
  const parameters = codecParameters(trackOf(video));
  await withPool(async (pool) => {
    for (let times = 0; times < 3; times += 1) {
      expect(await pool.picture(parameters, firstFrame(video), as('jpeg'))).toMatchObject({ width: 64 });
    }
  });
});

test('a damaged key frame fails alone', async () => {
  const video = await makeVideo({ codec: 'h264', width: 192, height: 128, frames: 1 });
  const parameters = codecParameters(trackOf(video));
  const good = firstFrame(video);
  const damaged = Buffer.from(good);
  damaged.fill(0xff, Math.floor(good.length / 2), Math.floor(good.length / 2) + 200);
  await withPool(async (pool) => {
    for (const payload of [
      damaged,
      good.subarray(0, 20),
      Buffer.alloc(0),
      Buffer.from('not a frame at all'),
    ]) {
      await expect(pool.picture(parameters, payload, as('jpeg'))).rejects.toMatchObject({
        code: 'DECODE_FAILED',
      });
      await expect(pool.picture(parameters, good, as('jpeg'))).resolves.toMatchObject({
        width: 192,
        height: 128,
      });
    }
  });
});

// FFmpeg sees damage of these two too late, or not at all.
test.each(['hevc', 'vp8'] as const)(
  'what is shown of a damaged %s frame is not of another stream',
  async (codec) => {
    const size = { codec, width: 96, height: 128, frames: 1 } as const;
    const bright = await makeVideo({ ...size, draw: noise(1, 200) });
    const dark = await makeVideo({ ...size, draw: noise(2, 60) });
    const parameters = codecParameters(trackOf(dark));
    expect(codecParameters(trackOf(bright))).toEqual(parameters);
    const outcome = async (pool: PicturePool, payload: Buffer): Promise<string> =>
      await pool.picture(parameters, payload, as('bmp')).then(
        ({ data }) => data.toString('base64'),
        ({ code }) => code,
      );
    const random = new Random(3);
    let shown = 0;
    await withPool(async (pool) => {
      for (let times = 0; times < 60; times += 1) {
        const damaged = damage(firstFrame(dark), random);
        const alone = await withPool((fresh) => outcome(fresh, damaged));
        if (alone !== 'DECODE_FAILED') shown += 1;
        await pool.picture(parameters, firstFrame(bright), as('bmp'));
        expect(await outcome(pool, damaged)).toBe(alone);
      }
    });
    expect(shown).toBeGreaterThan(10);
  },
);

/** Paints a frame of about one brightness. */
function noise(seed: number, brightness: number): (frame: Frame) => void {
  return ({ data }) => {
    const random = new Random(seed);
    for (const [index, plane] of (data ?? []).entries()) {
      for (let offset = 0; offset < plane.length; offset += 1) {
        plane[offset] = index === 0 ? brightness + random.integer(0, 20) : 128;
      }
    }
  };
}

/** Cut, or with one bit flipped. */
function damage(payload: Buffer, random: Random): Buffer {
  const offset = random.integer(1, payload.length - 1);
  if (random.chance(0.5)) return payload.subarray(0, offset);
  const damaged = Buffer.from(payload);
  damaged[offset] = (damaged[offset] ?? 0) ^ (1 << random.integer(0, 7));
  return damaged;
}

test('damage of an MJPEG frame is seen', async () => {
  const video = await makeVideo({ codec: 'mjpeg', width: 192, height: 128, frames: 1 });
  const cut = firstFrame(video).subarray(0, firstFrame(video).length / 4);
  await withPool(async (pool) => {
    await expect(pool.picture(codecParameters(trackOf(video)), cut, as('jpeg'))).rejects.toMatchObject({
      code: 'DECODE_FAILED',
    });
  });
});

test.each(FORMATS)('every %s of a pool is whole', async (format) => {
  const video = await makeVideo({ codec: 'h264', width: 64, height: 64, frames: 2, gop: 1 });
  const parameters = codecParameters(trackOf(video));
  await withPool(async (pool) => {
    const first = await pool.picture(parameters, firstFrame(video), as(format));
    await pool.picture(parameters, video.frames[1]?.payload ?? Buffer.alloc(0), as(format));
    expect(await pool.picture(parameters, firstFrame(video), as(format))).toEqual(first);
  });
});

test('streams of different codecs and sizes share the slots', async () => {
  const videos = await Promise.all([
    makeVideo({ codec: 'h264', width: 64, height: 64, frames: 1 }),
    makeVideo({ codec: 'h264', width: 192, height: 128, frames: 1 }),
    makeVideo({ codec: 'vp8', width: 128, height: 96, frames: 1 }),
  ]);
  await withPool(async (pool) => {
    const rounds = Array.from({ length: 20 }, () => videos).flat();
    const pictures = await Promise.all(
      rounds.map((video) => pool.picture(codecParameters(trackOf(video)), firstFrame(video), as('jpeg'))),
    );
    expect(pictures.map(({ width }) => width)).toEqual(rounds.map(({ width }) => width));
  }, 2);
});

test('a stream that brings other parameter sets along leaves none behind for the next', async () => {
  const small = await makeVideo({ codec: 'h264', width: 64, height: 64, frames: 1 });
  const large = await makeVideo({ codec: 'h264', width: 192, height: 128, frames: 1 });
  const parameters = codecParameters(trackOf(small));
  // The parameter sets of the large video stand before its frame, as cameras send them; CodecPrivate is the small one's.
  const withSets = Buffer.concat([...parameterSets(large), firstFrame(large)]);
  await withPool(async (pool) => {
    const alone = await pool.picture(parameters, firstFrame(small), as('jpeg'));
    expect(await pool.picture(parameters, withSets, as('jpeg'))).toMatchObject({ width: 192, height: 128 });
    expect(await pool.picture(parameters, firstFrame(small), as('jpeg'))).toEqual(alone);
  });
});

/** SPS and PPS of an AVCDecoderConfigurationRecord with one of each, behind lengths of 4 bytes. */
function parameterSets({ codecPrivate }: Video): Buffer[] {
  const record = codecPrivate ?? Buffer.alloc(0);
  const spsEnd = 8 + record.readUInt16BE(6);
  const ppsLength = record.readUInt16BE(spsEnd + 1);
  const sets = [record.subarray(8, spsEnd), record.subarray(spsEnd + 3, spsEnd + 3 + ppsLength)];
  return sets.flatMap((set) => [Buffer.from([0, 0, 0, set.length]), set]);
}

describe('codec parameters', () => {
  test('have the numbers of FFmpeg', () => {
    for (const [name, id] of Object.entries(AVCodecIds)) {
      expect([name, id]).toEqual([name, (constants as Record<string, unknown>)[`AV_CODEC_ID_${name}`]]);
    }
  });

  test('of a FourCC stand in the BITMAPINFOHEADER', async () => {
    const video = await makeVideo({ codec: 'mjpeg', width: 64, height: 64, frames: 1 });
    const header = Buffer.alloc(40);
    header.write('MJPG', 16, 'latin1');
    const track = trackOf({ ...video, codecId: 'V_MS/VFW/FOURCC', codecPrivate: header });
    const picture = await withPool((pool) =>
      pool.picture(codecParameters(track), firstFrame(video), as('png')),
    );
    expect(picture).toMatchObject({ width: 64, height: 64 });
  });

  test.each([
    ['another codec', { codecId: 'V_THEORA' }, 'codec ID "V_THEORA"'],
    ['another FourCC', { codecId: 'V_MS/VFW/FOURCC', codecPrivate: Buffer.alloc(40, 'X') }, 'FourCC "XXXX"'],
    ['encryption', { codecId: 'V_VP8', unreadable: 'encrypted' }, 'encrypted'],
  ])('of %s are refused by name', (_name, changes, message) => {
    const track = { ...trackOf({ codecId: '', codecPrivate: null, width: 1, height: 1 }), ...changes };
    expect(() => codecParameters(track)).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED_CODEC', message: expect.stringContaining(message) }),
    );
  });

  test('tell profile and level', async () => {
    const track = trackOf({
      codecId: 'V_MPEG4/ISO/AVC',
      codecPrivate: Buffer.from('01640028', 'hex'),
      width: 1,
      height: 1,
    });
    expect(profileName(track)).toBe('High 4.0');
    const hevc = trackOf(await makeVideo({ codec: 'hevc', frames: 1 }));
    expect(profileName(hevc)).toMatch(/^Main \d\.\d$/);
    expect(profileName({ ...track, codecId: 'V_VP9' })).toBeNull();
  });
});

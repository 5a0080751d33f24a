import { jest } from '@jest/globals';
import {
  AV_LOG_QUIET,
  AV_PIX_FMT_RGB8,
  AV_PIX_FMT_VAAPI,
  AV_PIX_FMT_YUV420P,
  AV_PIX_FMT_YUVJ420P,
  AVCHROMA_LOC_UNSPECIFIED,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT470BG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_RGB,
  AVCOL_SPC_UNSPECIFIED,
  type AVColorSpace,
  type AVPixelFormat,
  SWS_ACCURATE_RND,
  SWS_BICUBIC,
  SWS_FULL_CHR_H_INT,
} from 'node-av/constants';
import { Frame, Log, SoftwareScaleContext } from 'node-av/lib';
import { encodePicture, type PictureFormat } from '../../src/video/encoder.ts';
import { allocatePicture, PictureEncoder } from '../../src/video/picture-encoder.ts';
import { PictureEncoders } from '../../src/video/picture-encoders.ts';
import { Random } from '../support/random.ts';
import { as, decode, PICTURE_CODECS, rgb } from './pictures.ts';

Log.setLevel(AV_LOG_QUIET);

const FORMATS: PictureFormat[] = ['jpeg', 'png', 'bmp', 'gif'];
const COLOR_SPACES = { 'BT.601': AVCOL_SPC_BT470BG, 'BT.709': AVCOL_SPC_BT709, no: AVCOL_SPC_UNSPECIFIED };

const frames: Frame[] = [];
afterEach(() => {
  for (const frame of frames.splice(0)) frame.free();
});

/** A frame of noise as a camera's decoder gives it. */
function noise(seed: number, colorSpace: AVColorSpace, size = { width: 96, height: 64 }): Frame {
  const random = new Random(seed);
  const frame = new Frame();
  frames.push(frame);
  allocatePicture(frame, { pixelFormat: AV_PIX_FMT_YUV420P, colorSpace }, size);
  frame.colorRange = AVCOL_RANGE_MPEG;
  for (const plane of frame.data ?? []) {
    for (let offset = 0; offset < plane.length; offset += 1) plane[offset] = random.integer(16, 235);
  }
  return frame;
}

/** As FFmpeg converts it in one step, with the flags that the product promises. */
function inOneStep(frame: Frame, pixelFormat: AVPixelFormat, colorSpace: AVColorSpace): Frame {
  const converted = new Frame();
  frames.push(converted);
  allocatePicture(converted, { pixelFormat, colorSpace }, frame);
  frame.chromaLocation = AVCHROMA_LOC_UNSPECIFIED;
  const scaler = new SoftwareScaleContext();
  scaler.allocContext();
  scaler.setOption('sws_flags', SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT);
  expect(scaler.scaleFrameSync(converted, frame)).toBeGreaterThanOrEqual(0);
  scaler.freeContext();
  return converted;
}

describe.each(Object.entries(COLOR_SPACES))('a frame of %s colours', (_name, colorSpace) => {
  test('is the JPEG of its conversion in one step', async () => {
    const frame = noise(1, colorSpace);
    const { data } = await encodePicture(frame, as('jpeg'));
    const fullRange = inOneStep(frame, AV_PIX_FMT_YUVJ420P, AVCOL_SPC_BT470BG);
    expect(data).toEqual((await encodePicture(fullRange, as('jpeg'))).data);
  });

  test('has the same pixels as gif as after its conversion in one step', async () => {
    const frame = noise(1, colorSpace);
    const { data } = await encodePicture(frame, as('gif'));
    const pixels = await rgb(await decode(PICTURE_CODECS.gif, null, data));
    const colors = inOneStep(frame, AV_PIX_FMT_RGB8, AVCOL_SPC_RGB);
    frames.splice(frames.indexOf(colors), 1);
    expect(pixels).toEqual(await rgb(colors));
  });

  test.each(['png', 'bmp'] as const)('has the same pixels as %s', async (format) => {
    const frame = noise(1, colorSpace);
    const { data } = await encodePicture(frame, as(format));
    const pixels = await rgb(await decode(PICTURE_CODECS[format], null, data));
    frames.splice(frames.indexOf(frame), 1);
    expect(pixels).toEqual(await rgb(frame));
  });
});

test.each(FORMATS)('a %s does not depend on the ones before it', async (format) => {
  const encoders = new PictureEncoders(1);
  const different = [
    noise(1, AVCOL_SPC_UNSPECIFIED),
    noise(2, AVCOL_SPC_BT709),
    noise(3, AVCOL_SPC_UNSPECIFIED),
    noise(4, AVCOL_SPC_BT709, { width: 48, height: 32 }),
    noise(5, AVCOL_SPC_BT470BG, { width: 192, height: 128 }),
  ];
  const options = as(format, { maxWidth: 96 });
  const fresh = await Promise.all(different.map(async (frame) => await encodePicture(frame, options)));
  for (const index of [0, 1, 0, 2, 4, 1, 3, 3, 4, 0]) {
    expect(await encodePicture(different[index] as Frame, options, encoders)).toEqual(fresh[index]);
  }
  encoders.close();
});

test('pictures of one kind are made at once, each in an encoder of its own', async () => {
  const encoders = new PictureEncoders(2);
  const different = [1, 2, 3, 4, 5, 6].map((seed) => noise(seed, AVCOL_SPC_UNSPECIFIED));
  const alone = await Promise.all(different.map(async (frame) => await encodePicture(frame, as('jpeg'))));
  for (let times = 0; times < 3; times += 1) {
    const together = different.map(async (frame) => await encodePicture(frame, as('jpeg'), encoders));
    expect(await Promise.all(together)).toEqual(alone);
  }
  encoders.close();
});

test('an encoder that has failed is not used again', async () => {
  const encoders = new PictureEncoders(1);
  const good = noise(1, AVCOL_SPC_UNSPECIFIED);
  const onTheGpu = noise(2, AVCOL_SPC_UNSPECIFIED);
  onTheGpu.format = AV_PIX_FMT_VAAPI;
  const expected = await encodePicture(good, as('jpeg'));
  expect(await encodePicture(good, as('jpeg'), encoders)).toEqual(expected);
  await expect(encodePicture(onTheGpu, as('jpeg'), encoders)).rejects.toMatchObject({
    code: 'ENCODE_FAILED',
  });
  expect(await encodePicture(good, as('jpeg'), encoders)).toEqual(expected);
  encoders.close();
});

test('there are never more encoders than encode at once', async () => {
  const close = jest.spyOn(PictureEncoder.prototype, 'close');
  const encoders = new PictureEncoders(2);
  const frame = noise(1, AVCOL_SPC_UNSPECIFIED);
  for (const format of ['jpeg', 'bmp'] as const) await encodePicture(frame, as(format), encoders);
  expect(close).toHaveBeenCalledTimes(0);
  const third = encodePicture(frame, as('png'), encoders);
  expect(close).toHaveBeenCalledTimes(1);
  await third;
  encoders.close();
  expect(close).toHaveBeenCalledTimes(3);
  close.mockRestore();
});

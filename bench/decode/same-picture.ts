import {
  AV_CODEC_ID_BMP,
  AV_CODEC_ID_GIF,
  AV_CODEC_ID_MJPEG,
  AV_CODEC_ID_PNG,
  AV_PIX_FMT_RGB24,
  AVCOL_SPC_RGB,
  SWS_ACCURATE_RND,
  SWS_BICUBIC,
  SWS_FULL_CHR_H_INT,
} from 'node-av/constants';
import type { PictureFormat } from '../../src/video/encoder.ts';
import { keptDecoder, keptScaler } from './kept-contexts.ts';
import type { KeyFrame } from './key-frame.ts';

const CODEC_IDS = {
  jpeg: AV_CODEC_ID_MJPEG,
  png: AV_CODEC_ID_PNG,
  bmp: AV_CODEC_ID_BMP,
  gif: AV_CODEC_ID_GIF,
} as const;

/** Of 255. JPEG's is that of FFmpeg's best quality, GIF's that of 256 colours for all pictures. */
const MOST_DIFFERENT: Readonly<Record<PictureFormat, number>> = { jpeg: 2, png: 0.01, bmp: 0.01, gif: 30 };

/** @throws {Error} where the picture is not the key frame's, decoded by FFmpeg */
export function checkPicture(picture: Buffer, format: PictureFormat, keyFrame: KeyFrame): void {
  const parameters = { codecId: CODEC_IDS[format], extradata: null };
  const [seen, wanted] = [pixels({ parameters, payload: picture }), pixels(keyFrame)];
  if (seen.length !== wanted.length) throw new Error(`a ${format} has another size`);
  let sum = 0;
  for (let index = 0; index < wanted.length; index += 1) {
    sum += Math.abs((seen[index] ?? 0) - (wanted[index] ?? 0));
  }
  const difference = sum / wanted.length;
  if (difference > MOST_DIFFERENT[format]) {
    throw new Error(`a ${format} differs by ${difference.toFixed(2)} of 255 on average`);
  }
}

function pixels(keyFrame: KeyFrame): Buffer {
  const frame = keptDecoder(keyFrame)();
  const scaleFlags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT;
  const toRgb = keptScaler(frame, { pixelFormat: AV_PIX_FMT_RGB24, colorSpace: AVCOL_SPC_RGB, scaleFlags });
  return toRgb(frame).toBuffer();
}

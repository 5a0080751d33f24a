import { AV_CODEC_ID_H264 } from 'node-av/constants';
import { decodeKeyFrame } from '../../src/video/decoder.ts';
import { encodePicture } from '../../src/video/encoder.ts';
import { ownUsage } from '../harness/child.ts';

export interface DecoderOptions {
  /** Of H.264, base64. */
  readonly codecPrivate: string;
  /** One key frame, base64. */
  readonly payload: string;
  readonly pictures: number;
}

const LIMITS = { format: 'jpeg', maxWidth: null, maxHeight: null, quality: 100, maxBytes: null } as const;

type KeyFrame = Pick<DecoderOptions, 'codecPrivate' | 'payload'>;

/** @returns how many bytes the picture has */
export async function pictureOf({ codecPrivate, payload }: KeyFrame): Promise<number> {
  const parameters = { codecId: AV_CODEC_ID_H264, extradata: Buffer.from(codecPrivate, 'base64') };
  const frame = await decodeKeyFrame(parameters, Buffer.from(payload, 'base64'));
  try {
    return (await encodePicture(frame, LIMITS)).data.length;
  } finally {
    frame.free();
  }
}

/**
 * Decodes one key frame again and again, one at a time, and makes a JPEG of it each time.
 *
 * @returns CPU milliseconds for each
 */
export async function run({ pictures, ...keyFrame }: DecoderOptions): Promise<number> {
  for (let index = 0; index < pictures / 5; index += 1) await pictureOf(keyFrame);
  const before = ownUsage().cpuSeconds;
  for (let index = 0; index < pictures; index += 1) await pictureOf(keyFrame);
  return ((ownUsage().cpuSeconds - before) / pictures) * 1000;
}

import { AV_CODEC_ID_H264 } from 'node-av/constants';
import { PicturePool } from '../../src/video/picture-pool.ts';
import { ownUsage } from '../harness/child.ts';

export interface DecoderOptions {
  /** Of H.264, base64. */
  readonly codecPrivate: string;
  /** One key frame, base64. */
  readonly payload: string;
  readonly pictures: number;
}

export interface DecoderResult {
  /** For each picture. */
  readonly cpuMillis: number;
  readonly pictureBytes: number;
}

const OPTIONS = { format: 'jpeg', maxWidth: null, maxHeight: null, quality: 100, maxBytes: null } as const;

/** Makes the JPEG of one key frame again and again, one at a time, as the worker makes its pictures. */
export async function run({ codecPrivate, payload, pictures }: DecoderOptions): Promise<DecoderResult> {
  const parameters = { codecId: AV_CODEC_ID_H264, extradata: Buffer.from(codecPrivate, 'base64') };
  const keyFrame = Buffer.from(payload, 'base64');
  const pool = new PicturePool(1);
  const make = async () => (await pool.picture(parameters, keyFrame, OPTIONS)).data.length;
  for (let index = 0; index < pictures / 5; index += 1) await make();
  const before = ownUsage().cpuSeconds;
  let pictureBytes = 0;
  for (let index = 0; index < pictures; index += 1) pictureBytes = await make();
  return { cpuMillis: ((ownUsage().cpuSeconds - before) / pictures) * 1000, pictureBytes };
}

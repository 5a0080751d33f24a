import { decodeKeyFrame } from '../../src/video/decoder.ts';
import { encodePicture, type PictureFormat } from '../../src/video/encoder.ts';
import { PictureEncoders } from '../../src/video/picture-encoders.ts';
import { PicturePool } from '../../src/video/picture-pool.ts';
import { keptDecoder, keptEncoder, keptRgb } from './kept-contexts.ts';
import type { KeyFrame } from './key-frame.ts';

/** Makes one picture. */
type Make = () => Buffer | Promise<Buffer>;

const LIMITS = { maxWidth: null, maxHeight: null, quality: 100, maxBytes: null } as const;

/** From the key frame to its JPEG. */
const OF_KEY_FRAME = {
  'kvs-inference': async (keyFrame: KeyFrame): Promise<Make> => {
    const pool = new PicturePool(1);
    const { parameters, payload } = keyFrame;
    return async () => (await pool.picture(parameters, payload, { ...LIMITS, format: 'jpeg' })).data;
  },
  'node-av': async (keyFrame: KeyFrame): Promise<Make> => {
    const decode = keptDecoder(keyFrame);
    const encode = keptEncoder('jpeg', decode());
    return () => encode(decode());
  },
};

/** From the decoded frame to a picture. */
const OF_FRAME = {
  'kvs-inference': async (keyFrame: KeyFrame, format: PictureFormat): Promise<Make> => {
    const frame = await decodeKeyFrame(keyFrame.parameters, keyFrame.payload);
    const encoders = new PictureEncoders(1);
    return async () => (await encodePicture(frame, { ...LIMITS, format }, encoders)).data;
  },
  'node-av': async (keyFrame: KeyFrame, format: PictureFormat): Promise<Make> => {
    const frame = keptDecoder(keyFrame)();
    const encode = keptEncoder(format, frame);
    return () => encode(frame);
  },
  sharp: (keyFrame: KeyFrame, format: PictureFormat) => sharpEncoder(keyFrame, format, true),
  'sharp, no filter': (keyFrame: KeyFrame, format: PictureFormat) => sharpEncoder(keyFrame, format, false),
};

async function sharpEncoder(
  keyFrame: KeyFrame,
  format: PictureFormat,
  adaptiveFiltering: boolean,
): Promise<Make> {
  const { default: sharp } = await import('sharp');
  sharp.concurrency(1);
  const frame = keptDecoder(keyFrame)();
  const toRgb = keptRgb(frame);
  const raw = { width: frame.width, height: frame.height, channels: 3 } as const;
  return async () => {
    const picture = sharp(toRgb(frame), { raw });
    if (format === 'png') return await picture.png({ compressionLevel: 1, adaptiveFiltering }).toBuffer();
    if (format === 'gif') return await picture.gif({ effort: 1 }).toBuffer();
    throw new Error(`sharp does not write ${format}`);
  };
}

type KeyFrameContestant = keyof typeof OF_KEY_FRAME;
export type FrameContestant = keyof typeof OF_FRAME;

export async function maker(keyFrame: KeyFrame, task: Task): Promise<Make> {
  return task.from === 'keyFrame'
    ? await OF_KEY_FRAME[task.contestant](keyFrame)
    : await OF_FRAME[task.contestant](keyFrame, task.format);
}

export type Task =
  | { readonly from: 'keyFrame'; readonly contestant: KeyFrameContestant; readonly format: 'jpeg' }
  | { readonly from: 'frame'; readonly contestant: FrameContestant; readonly format: PictureFormat };

import { AV_LOG_QUIET, AV_PIX_FMT_RGB24, AVCOL_SPC_RGB } from 'node-av/constants';
import { Frame, Log } from 'node-av/lib';
import { encodePicture, type PictureOptions } from '../video/encoder.ts';
import { allocatePicture } from '../video/picture-encoder.ts';

// What is wrong comes as return values.
Log.setLevel(AV_LOG_QUIET);

const RGB = { pixelFormat: AV_PIX_FMT_RGB24, colorSpace: AVCOL_SPC_RGB };
/** Pixels; what many models take in. */
const SIZE = { width: 224, height: 224 };
const GREY = 128;

/**
 * A grey picture, made as those of the streams are.
 *
 * @throws {KvsInferenceError} ENCODE_FAILED, PAYLOAD_TOO_LARGE
 */
export async function testPicture(options: PictureOptions): Promise<Buffer> {
  const frame = new Frame();
  try {
    allocatePicture(frame, RGB, SIZE);
    for (const plane of frame.data ?? []) plane.fill(GREY);
    return (await encodePicture(frame, options)).data;
  } finally {
    frame.free();
  }
}

import { AV_LOG_QUIET, AV_PIX_FMT_RGB24, AVCOL_RANGE_JPEG, AVCOL_SPC_RGB } from 'node-av/constants';
import { FFmpegError, Frame, Log } from 'node-av/lib';
import { encodePicture, type PictureOptions } from '../video/encoder.ts';

// What is wrong comes as return values.
Log.setLevel(AV_LOG_QUIET);

/** Pixels; what many models take in. */
const SIZE = 224;
const GREY = 128;

/** A grey picture, made as those of the streams are. */
export async function testPicture(options: PictureOptions): Promise<Buffer> {
  const frame = new Frame();
  try {
    frame.alloc();
    frame.width = SIZE;
    frame.height = SIZE;
    frame.format = AV_PIX_FMT_RGB24;
    frame.colorRange = AVCOL_RANGE_JPEG;
    frame.colorSpace = AVCOL_SPC_RGB;
    FFmpegError.throwIfError(frame.allocBuffer(), 'allocate picture');
    for (const plane of frame.data ?? []) plane.fill(GREY);
    return (await encodePicture(frame, options)).data;
  } finally {
    frame.free();
  }
}

import { serialize } from 'node:v8';
import { AV_CODEC_ID_H264, AV_CODEC_ID_HEVC } from 'node-av/constants';
import type { CodecParameters } from '../../src/video/codec.ts';
import type { Video } from '../../test/support/media.ts';

/** What a contestant is given. */
export interface KeyFrame {
  readonly parameters: CodecParameters;
  readonly payload: Buffer;
}

/** For a file that another process reads. */
export function keyFrameBytes({ codecId, codecPrivate, frames }: Video): Buffer {
  const keyFrame: KeyFrame = {
    parameters: {
      codecId: codecId === 'V_MPEG4/ISO/AVC' ? AV_CODEC_ID_H264 : AV_CODEC_ID_HEVC,
      extradata: codecPrivate,
    },
    payload: frames[0]?.payload ?? Buffer.alloc(0),
  };
  return serialize(keyFrame);
}

import {
  AV_CODEC_ID_AV1,
  AV_CODEC_ID_H264,
  AV_CODEC_ID_HEVC,
  AV_CODEC_ID_MJPEG,
  AV_CODEC_ID_VP8,
  AV_CODEC_ID_VP9,
} from 'node-av/constants';
import type { CodecParameters } from 'node-av/lib';
import type { MediaPacket } from '../../video/media-file.ts';
import { ContinuousTime } from './continuous-time.ts';
import type { CameraTrack, EncodedFrame } from './video-source.ts';

/** How the packets of a file become frames of Matroska without being encoded again. */
export interface CopyFormat {
  readonly track: CameraTrack;
  /** H.264 and H.265 between start codes, which Matroska wants behind their lengths. */
  readonly isAnnexB: boolean;
}

/** "At most two seconds", with room for rounding. */
const MAX_KEY_FRAME_DISTANCE_MILLIS = 2100;
/** The first byte of an AVCDecoderConfigurationRecord and of an HEVCDecoderConfigurationRecord: their version. */
const RECORD_VERSION = 1;
/** The first byte of an AV1CodecConfigurationRecord: marker and version. */
const AV1_RECORD_MARKER = 0x81;

/** null where Matroska, or a video stream of Kinesis, has no such codec, or its parameters are not known. */
export function copyFormat(parameters: CodecParameters): CopyFormat | null {
  const { codecId, extradata, width: pixelWidth, height: pixelHeight } = parameters;
  switch (codecId) {
    case AV_CODEC_ID_H264:
      return nalUnits('V_MPEG4/ISO/AVC');
    case AV_CODEC_ID_HEVC:
      return nalUnits('V_MPEGH/ISO/HEVC');
    case AV_CODEC_ID_AV1:
      return extradata?.[0] === AV1_RECORD_MARKER ? asIs('V_AV1', extradata) : null;
    case AV_CODEC_ID_VP8:
      return asIs('V_VP8', null);
    case AV_CODEC_ID_VP9:
      return asIs('V_VP9', null);
    case AV_CODEC_ID_MJPEG:
      return asIs('V_MJPEG', null);
    default:
      return null;
  }

  function nalUnits(name: string): CopyFormat | null {
    const isAnnexB = extradata?.[0] !== RECORD_VERSION;
    const record = isAnnexB ? parameters.getDecoderConfigurationRecord() : extradata;
    return record?.[0] === RECORD_VERSION ? { ...asIs(name, record), isAnnexB } : null;
  }

  function asIs(name: string, codecPrivate: Buffer | null): CopyFormat {
    return { track: { codecId: name, codecPrivate, pixelWidth, pixelHeight }, isAnnexB: false };
  }
}

/**
 * Whether packets can be copied: they have timestamps, and key frames often enough to cut fragments at. A single
 * one cannot: that is a still picture.
 */
export function canCopy(packets: readonly MediaPacket[]): boolean {
  let keyFrameMillis: number | null = null;
  const startMillis = packets[0]?.ptsMillis ?? 0;
  for (const { ptsMillis, keyFrame } of packets) {
    if (ptsMillis === null) return false;
    if (ptsMillis - (keyFrameMillis ?? startMillis) > MAX_KEY_FRAME_DISTANCE_MILLIS) return false;
    if (keyFrame) keyFrameMillis = ptsMillis;
  }
  return keyFrameMillis !== null && packets.length > 1;
}

/** The frames from the first key frame on. */
export async function* copiedFrames(
  packets: Iterable<MediaPacket> | AsyncIterable<MediaPacket>,
  { isAnnexB }: CopyFormat,
): AsyncGenerator<EncodedFrame, void, undefined> {
  const time = new ContinuousTime();
  let hasStarted = false;
  for await (const { ptsMillis, dtsMillis, durationMillis, keyFrame, data } of packets) {
    hasStarted ||= keyFrame;
    if (!hasStarted) continue;
    const decodedMillis = time.next(dtsMillis ?? ptsMillis, durationMillis);
    const delayMillis = ptsMillis === null || dtsMillis === null ? 0 : ptsMillis - dtsMillis;
    yield {
      timeMillis: decodedMillis + delayMillis,
      durationMillis,
      keyFrame,
      payload: isAnnexB ? lengthPrefixed(data) : data,
    };
  }
}

const START_CODE = Buffer.from([0, 0, 1]);

/**
 * Puts four bytes of length before each NAL unit in place of its start code (ITU-T H.264, Annex B; ISO/IEC
 * 14496-15, 5.3.3).
 */
export function lengthPrefixed(annexB: Buffer): Buffer {
  const parts: Buffer[] = [];
  let startCode = annexB.indexOf(START_CODE);
  while (startCode >= 0) {
    const start = startCode + START_CODE.length;
    startCode = annexB.indexOf(START_CODE, start);
    let end = startCode < 0 ? annexB.length : startCode;
    // A unit never ends with a zero byte: those before the next start code are padding.
    while (end > start && annexB[end - 1] === 0) end -= 1;
    const length = Buffer.alloc(4);
    length.writeUInt32BE(end - start);
    parts.push(length, annexB.subarray(start, end));
  }
  return Buffer.concat(parts);
}

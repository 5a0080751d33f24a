import type { AVCodecID } from 'node-av/constants';
import { KvsInferenceError } from '../core/errors.ts';
import type { Track } from '../matroska/tracks.ts';

/** What a decoder must be told before the first frame. How large that is it finds out itself: tracks may be wrong. */
export interface CodecParameters {
  readonly codecId: AVCodecID;
  /** Matroska's CodecPrivate or FFmpeg's extradata; null where the frames carry everything. */
  readonly extradata: Buffer | null;
}

/**
 * The numbers of FFmpeg's AVCodecID, which its ABI keeps (libavcodec/codec_id.h). To import them would load FFmpeg, and
 * what knows no more than the codec of a track is not to wait for that.
 */
export const AVCodecIds = {
  MJPEG: 7 as AVCodecID,
  H264: 27 as AVCodecID,
  VP8: 139 as AVCodecID,
  VP9: 167 as AVCodecID,
  HEVC: 173 as AVCodecID,
  AV1: 225 as AVCodecID,
} as const;

const CODEC_IDS: Readonly<Record<string, AVCodecID>> = {
  'V_MPEG4/ISO/AVC': AVCodecIds.H264,
  'V_MPEGH/ISO/HEVC': AVCodecIds.HEVC,
  V_MJPEG: AVCodecIds.MJPEG,
  V_VP8: AVCodecIds.VP8,
  V_VP9: AVCodecIds.VP9,
  V_AV1: AVCodecIds.AV1,
};

const FOURCC_CODEC_IDS: Readonly<Record<string, AVCodecID>> = {
  H264: AVCodecIds.H264,
  AVC1: AVCodecIds.H264,
  HEVC: AVCodecIds.HEVC,
  HVC1: AVCodecIds.HEVC,
  H265: AVCodecIds.HEVC,
  MJPG: AVCodecIds.MJPEG,
  VP80: AVCodecIds.VP8,
  VP90: AVCodecIds.VP9,
  AV01: AVCodecIds.AV1,
};

/** CodecPrivate of `V_MS/VFW/FOURCC` is a BITMAPINFOHEADER: 40 bytes, the FourCC at byte 16. */
const BITMAP_INFO_HEADER_BYTES = 40;

/** @throws {KvsInferenceError} UNSUPPORTED_CODEC, naming the codec ID */
export function codecParameters(track: Track): CodecParameters {
  if (track.unreadable !== null) {
    throw unsupported(track, `its frames are packed with ContentEncodings (${track.unreadable})`);
  }
  const codecId = CODEC_IDS[track.codecId];
  if (codecId !== undefined) return { codecId, extradata: track.codecPrivate };
  if (track.codecId === 'V_MS/VFW/FOURCC' && (track.codecPrivate?.length ?? 0) >= BITMAP_INFO_HEADER_BYTES) {
    const header = track.codecPrivate as Buffer;
    const fourCc = header.toString('latin1', 16, 20).toUpperCase();
    const extradata = header.subarray(BITMAP_INFO_HEADER_BYTES);
    const fourCcId = FOURCC_CODEC_IDS[fourCc];
    if (fourCcId !== undefined) {
      return { codecId: fourCcId, extradata: extradata.length > 0 ? extradata : null };
    }
    throw unsupported(track, `FourCC "${fourCc}"`);
  }
  throw unsupported(track, `codec ID "${track.codecId}"`);
}

function unsupported(track: Track, what: string): KvsInferenceError {
  return new KvsInferenceError(
    'UNSUPPORTED_CODEC',
    `track ${track.trackNumber} cannot be decoded: ${what}; H.264, H.265, MJPEG, VP8, VP9 and AV1 can`,
    { details: { trackNumber: track.trackNumber, codecId: track.codecId } },
  );
}

const H264_PROFILES: Readonly<Record<number, string>> = {
  66: 'Baseline',
  77: 'Main',
  88: 'Extended',
  100: 'High',
  110: 'High 10',
  122: 'High 4:2:2',
  244: 'High 4:4:4',
};
const H265_PROFILES: Readonly<Record<number, string>> = {
  1: 'Main',
  2: 'Main 10',
  3: 'Main Still Picture',
  4: 'RExt',
};

/**
 * Profile and level from an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1) or an
 * HEVCDecoderConfigurationRecord (8.3.3.1), such as `High 4.0`; null where CodecPrivate does not tell.
 */
export function profileName({ codecId, codecPrivate }: Track): string | null {
  if (codecPrivate === null || codecPrivate[0] !== 1) return null;
  if (codecId === 'V_MPEG4/ISO/AVC' && codecPrivate.length >= 4) {
    const profile = codecPrivate[1] as number;
    return `${H264_PROFILES[profile] ?? `profile ${profile}`} ${((codecPrivate[3] as number) / 10).toFixed(1)}`;
  }
  if (codecId === 'V_MPEGH/ISO/HEVC' && codecPrivate.length >= 13) {
    const profile = (codecPrivate[1] as number) & 0x1f;
    return `${H265_PROFILES[profile] ?? `profile ${profile}`} ${((codecPrivate[12] as number) / 30).toFixed(1)}`;
  }
  return null;
}

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_LOG_QUIET,
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_YUV420P,
  AV_PIX_FMT_YUVJ420P,
  FF_ENCODER_LIBSVTAV1,
  FF_ENCODER_LIBVPX_VP8,
  FF_ENCODER_LIBVPX_VP9,
  FF_ENCODER_LIBX264,
  FF_ENCODER_LIBX265,
  FF_ENCODER_MJPEG,
  FF_ENCODER_MPEG4,
  FF_ENCODER_PNG,
} from 'node-av/constants';
import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  Frame,
  Log,
  Packet,
  Rational,
} from 'node-av/lib';

export interface VideoOptions {
  /** Default h264. SVT-AV1 writes to standard error unless the environment has SVT_LOG=0. */
  codec?: TestCodec;
  /** FFmpeg's name of the muxer: matroska (the default), mp4, mpegts, h264, hevc, avi, ivf, image2pipe … */
  container?: string;
  /** Pixels, default 64 x 64. AV1 needs at least that, H.265 at least 32 x 32. */
  width?: number;
  height?: number;
  /** Default 10. */
  frames?: number;
  /** Frames per second, default 10. */
  frameRate?: number;
  /** Frames from one key frame to the next, default 10. */
  gop?: number;
  /** B-frames between two others, of H.264 and H.265; default 0. */
  bFrames?: number;
  /** When each frame is shown, milliseconds; stands in for `frames`. */
  timesMillis?: readonly number[];
  /** Bits per second, of H.264 and H.265; default: what the encoder takes for its quality. */
  bitRate?: number;
  /** Of H.264 and H.265; default ultrafast. */
  preset?: string;
  /** Paints frame `index` over the one before; default: moving stripes. */
  draw?: (frame: Frame, index: number) => void;
}

export interface Video {
  /** The whole file. */
  bytes: Buffer;
  /** Codec ID and CodecPrivate as Matroska has them; no codec ID where Matroska has none. */
  codecId: string;
  codecPrivate: Buffer | null;
  width: number;
  height: number;
  /** As Matroska has them, in decoding order. */
  frames: readonly VideoFrame[];
}

export interface VideoFrame {
  payload: Buffer;
  keyFrame: boolean;
  timeMillis: number;
}

export type TestCodec = keyof typeof CODECS;

const X265_PARAMS = 'log-level=none:scenecut=0:open-gop=0:pools=none:frame-threads=1';
const REAL_TIME = { deadline: 'realtime', 'cpu-used': '8' };

const CODECS = {
  h264: {
    encoder: FF_ENCODER_LIBX264,
    codecId: 'V_MPEG4/ISO/AVC',
    options: { preset: 'ultrafast', 'x264-params': 'scenecut=0' },
  },
  hevc: {
    encoder: FF_ENCODER_LIBX265,
    codecId: 'V_MPEGH/ISO/HEVC',
    options: { preset: 'ultrafast', 'x265-params': X265_PARAMS },
  },
  mjpeg: { encoder: FF_ENCODER_MJPEG, codecId: 'V_MJPEG', options: {} },
  vp8: { encoder: FF_ENCODER_LIBVPX_VP8, codecId: 'V_VP8', options: REAL_TIME },
  vp9: { encoder: FF_ENCODER_LIBVPX_VP9, codecId: 'V_VP9', options: REAL_TIME },
  av1: { encoder: FF_ENCODER_LIBSVTAV1, codecId: 'V_AV1', options: { preset: '10' } },
  mpeg4: { encoder: FF_ENCODER_MPEG4, codecId: 'V_MPEG4/ISO/ASP', options: {} },
  png: { encoder: FF_ENCODER_PNG, codecId: '', options: {} },
} as const;

/** A moving test pattern, encoded with one thread: the same options make the same bytes. */
export async function makeVideo(options: VideoOptions = {}): Promise<Video> {
  const { codec = 'h264', container = 'matroska', width = 64, height = 64 } = options;
  Log.setLevel(AV_LOG_QUIET);
  const directory = await mkdtemp(join(tmpdir(), 'kvs-inference-media-'));
  const context = new CodecContext();
  const packets: Packet[] = [];
  try {
    await openEncoder(context, codec, { width, height, ...options });
    const times = options.timesMillis ?? [...Array(options.frames ?? 10).keys()];
    await encode(context, packets, times, options.draw ?? drawStripes);
    const path = join(directory, 'video');
    await mux(context, packets, 'matroska', path);
    const stored = await demux(path);
    if (container !== 'matroska') await mux(context, packets, container, path);
    const file = await readFile(path);
    // These two have no place for parameter sets but among the frames.
    const isRaw = container === 'h264' || container === 'hevc';
    const bytes = isRaw ? Buffer.concat([context.extraData ?? Buffer.alloc(0), file]) : file;
    return { bytes, codecId: CODECS[codec].codecId, width, height, ...stored };
  } finally {
    for (const packet of packets) packet.free();
    context.freeContext();
    await rm(directory, { recursive: true });
  }
}

/** One picture of the test pattern as a file. */
export async function makePicture(
  options: { format?: 'png' | 'jpeg'; width?: number; height?: number } = {},
): Promise<Buffer> {
  const { format = 'jpeg', ...size } = options;
  const codec = format === 'png' ? 'png' : 'mjpeg';
  const { bytes } = await makeVideo({ ...size, codec, container: 'image2pipe', frames: 1 });
  return bytes;
}

/** NAL unit type 12 (ITU-T H.264, 7.3.2.7), with nal_ref_idc 0. */
const FILLER_DATA = 0x0c;
const FILLER_BYTE = 0xff;
const RBSP_TRAILING_BITS = 0x80;
const LENGTH_BYTES = 4;

/** The same picture in a frame of so many bytes: filler data after the slices. @param frame H.264 as Matroska has it */
export function padH264(frame: Buffer, bytes: number): Buffer {
  const filler = Buffer.alloc(bytes - frame.length, FILLER_BYTE);
  filler.writeUInt32BE(filler.length - LENGTH_BYTES);
  filler[LENGTH_BYTES] = FILLER_DATA;
  filler[filler.length - 1] = RBSP_TRAILING_BITS;
  return Buffer.concat([frame, filler]);
}

async function openEncoder(
  context: CodecContext,
  name: TestCodec,
  options: VideoOptions & { width: number; height: number },
): Promise<void> {
  const { encoder, options: encoderOptions } = CODECS[name];
  const codec = Codec.findEncoderByName(encoder);
  if (codec === null) throw new Error(`This FFmpeg has no encoder ${encoder}`);
  context.allocContext3(codec);
  context.width = options.width;
  context.height = options.height;
  context.pixelFormat =
    name === 'mjpeg' ? AV_PIX_FMT_YUVJ420P : name === 'png' ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_YUV420P;
  const { frameRate = 10 } = options;
  context.framerate = new Rational(frameRate, 1);
  context.timeBase = new Rational(1, options.timesMillis === undefined ? frameRate : 1000);
  context.gopSize = options.gop ?? 10;
  if (name === 'h264' || name === 'hevc') context.maxBFrames = options.bFrames ?? 0;
  context.threadCount = 1;
  context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
  if (options.bitRate !== undefined) context.bitRate = BigInt(options.bitRate);
  const preset = options.preset === undefined ? {} : { preset: options.preset };
  const dictionary = Dictionary.fromObject({ ...encoderOptions, ...preset });
  try {
    check(await context.open2(codec, dictionary), 'avcodec_open2');
  } finally {
    dictionary.free();
  }
}

/** @param times of the frames, in the encoder's time base */
async function encode(
  context: CodecContext,
  packets: Packet[],
  times: readonly number[],
  draw: (frame: Frame, index: number) => void,
): Promise<void> {
  const frame = new Frame();
  try {
    frame.alloc();
    frame.format = context.pixelFormat;
    frame.width = context.width;
    frame.height = context.height;
    check(frame.getBuffer(), 'av_frame_get_buffer');
    for (const [index, time] of times.entries()) {
      check(frame.makeWritable(), 'av_frame_make_writable');
      draw(frame, index);
      frame.pts = BigInt(time);
      check(await context.sendFrame(frame), 'avcodec_send_frame');
      await receivePackets(context, packets);
    }
    check(await context.sendFrame(null), 'avcodec_send_frame');
    await receivePackets(context, packets);
  } finally {
    frame.free();
  }
}

/** Diagonal stripes that move, so that frames differ from one another. */
function drawStripes(frame: Frame, index: number): void {
  const strides = frame.linesize;
  for (const [plane, data] of (frame.data ?? []).entries()) {
    const stride = strides[plane] ?? 0;
    for (let offset = 0; offset < data.length; offset += 1) {
      const x = offset % stride;
      const y = Math.floor(offset / stride);
      data[offset] = (((x + y) * 2 + index * 8 + plane * 64) % 224) + 16;
    }
  }
}

async function receivePackets(context: CodecContext, packets: Packet[]): Promise<void> {
  for (;;) {
    const packet = new Packet();
    packet.alloc();
    if ((await context.receivePacket(packet)) < 0) {
      packet.free();
      return;
    }
    // Most encoders leave it at 0, which hides the last frame of an MP4 file.
    if (packet.duration === 0n) packet.duration = 1n;
    packets.push(packet);
  }
}

async function mux(
  context: CodecContext,
  packets: readonly Packet[],
  container: string,
  path: string,
): Promise<void> {
  const format = new FormatContext();
  const copy = new Packet();
  try {
    copy.alloc();
    check(format.allocOutputContext2(null, container, path), `muxer ${container}`);
    const stream = format.newStream();
    check(stream.codecpar.fromContext(context), 'avcodec_parameters_from_context');
    stream.timeBase = context.timeBase;
    check(await format.openOutput(), 'avio_open2');
    check(await format.writeHeader(), 'avformat_write_header');
    for (const packet of packets) {
      check(copy.ref(packet), 'av_packet_ref');
      copy.streamIndex = stream.index;
      copy.rescaleTs(context.timeBase, stream.timeBase);
      check(await format.interleavedWriteFrame(copy), 'av_interleaved_write_frame');
    }
    check(await format.writeTrailer(), 'av_write_trailer');
  } finally {
    copy.free();
    await format.closeOutput();
    format.freeContext();
  }
}

async function demux(path: string): Promise<{ codecPrivate: Buffer | null; frames: VideoFrame[] }> {
  const format = new FormatContext();
  const packet = new Packet();
  try {
    packet.alloc();
    check(await format.openInput(path), 'avformat_open_input');
    check(await format.findStreamInfo(), 'avformat_find_stream_info');
    const [stream] = format.streams;
    const frames: VideoFrame[] = [];
    while ((await format.readFrame(packet)) >= 0) {
      const payload = Buffer.from(packet.data ?? []);
      frames.push({ payload, keyFrame: packet.isKeyframe, timeMillis: Number(packet.pts) });
      packet.unref();
    }
    return { codecPrivate: stream?.codecpar.extradata ?? null, frames };
  } finally {
    packet.free();
    await format.closeInput();
  }
}

function check(result: number, operation: string): void {
  FFmpegError.throwIfError(result, operation);
}

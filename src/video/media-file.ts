import { resolve } from 'node:path';
import {
  AV_DISPOSITION_ATTACHED_PIC,
  AV_LOG_QUIET,
  AV_NOPTS_VALUE,
  AVDISCARD_ALL,
  AVMEDIA_TYPE_VIDEO,
} from 'node-av/constants';
import { type CodecParameters, FFmpegError, FormatContext, Log, Packet, type Stream } from 'node-av/lib';
import { UsageError } from '../core/errors.ts';

/** Where a file tells no frame rate: what FFmpeg assumes of raw H.264. */
const DEFAULT_FRAME_RATE = 25;
/** What claims to be shown for longer is damaged. */
const MAX_FRAME_MILLIS = 10_000;

/** A packet of the video, copied out of FFmpeg. */
export interface MediaPacket {
  /** When it is shown and when it is decoded, milliseconds on the file's clock. */
  readonly ptsMillis: number | null;
  readonly dtsMillis: number | null;
  readonly durationMillis: number;
  readonly keyFrame: boolean;
  readonly data: Buffer;
}

Log.setLevel(AV_LOG_QUIET);

/** The best video stream of a local file, read by FFmpeg. No two calls may overlap. */
export class MediaFile {
  readonly path: string;
  readonly parameters: CodecParameters;
  /** Frames per second. */
  readonly frameRate: number;
  readonly #context: FormatContext;
  readonly #stream: Stream;
  readonly #millisPerUnit: number;
  #position = 0;

  private constructor(path: string, context: FormatContext, stream: Stream) {
    const { num, den } = stream.avgFrameRate;
    this.path = path;
    this.parameters = stream.codecpar;
    this.frameRate = num > 0 && den > 0 ? num / den : DEFAULT_FRAME_RATE;
    this.#context = context;
    this.#stream = stream;
    this.#millisPerUnit = (stream.timeBase.num / stream.timeBase.den) * 1000;
  }

  /** @throws {UsageError} with FFmpeg's reason, or where the file has no video */
  static async open(path: string): Promise<MediaFile> {
    const context = new FormatContext();
    try {
      // The prefix keeps names such as "a:b.mp4" from being read as a protocol.
      let result = await context.openInput(`file:${resolve(path)}`);
      if (result >= 0) result = await context.findStreamInfo();
      if (result < 0) throw new UsageError(`Cannot read ${path}: ${FFmpegError.strerror(result)}`);
      const stream = context.streams[context.findBestStream(AVMEDIA_TYPE_VIDEO)];
      if (stream === undefined || (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) !== 0) {
        throw new UsageError(`${path} (${context.iformat?.longName ?? 'unknown format'}) has no video`);
      }
      for (const other of context.streams) {
        if (other.index !== stream.index) other.discard = AVDISCARD_ALL;
      }
      return new MediaFile(path, context, stream);
    } catch (error) {
      await context.closeInput();
      throw error;
    }
  }

  /** Where in the file the last packet was, bytes; for showing progress. */
  get position(): number {
    return this.#position;
  }

  /** Reads the next packet of the video; false at the end, or where the rest of the file is damaged. */
  async read(packet: Packet): Promise<boolean> {
    do {
      packet.unref();
      if ((await this.#context.readFrame(packet)) < 0) return false;
    } while (packet.streamIndex !== this.#stream.index);
    this.#position = Math.max(this.#position, Number(packet.pos));
    return true;
  }

  async *packets(): AsyncGenerator<MediaPacket, void, undefined> {
    const packet = new Packet();
    try {
      packet.alloc();
      while (await this.read(packet)) {
        yield {
          ptsMillis: this.millis(packet.pts),
          dtsMillis: this.millis(packet.dts),
          durationMillis: this.frameMillis(packet.duration),
          keyFrame: packet.isKeyframe,
          data: Buffer.from(packet.data ?? []),
        };
      }
    } finally {
      packet.free();
    }
  }

  /** A timestamp of the stream in milliseconds; null for "unknown". */
  millis(timestamp: bigint): number | null {
    return timestamp === AV_NOPTS_VALUE ? null : Number(timestamp) * this.#millisPerUnit;
  }

  /** How long a frame lasts, milliseconds: by its own duration, or by the frame rate. */
  frameMillis(duration: bigint): number {
    const millis = duration > 0n ? Number(duration) * this.#millisPerUnit : 1000 / this.frameRate;
    return Math.min(millis, MAX_FRAME_MILLIS);
  }

  async close(): Promise<void> {
    await this.#context.closeInput();
  }
}

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { clusterStart, frameBlock, streamHeader } from '../../src/emulator/camera/matroska-stream.ts';
import type { CameraTrack, SourceFrame } from '../../src/emulator/camera/video-source.ts';
import { fragmentPieces } from '../../src/emulator/kinesis-video/media-body.ts';

/** What every camera shows, over and over: one fragment. */
export interface Clip {
  readonly track: CameraTrack;
  /** The first one alone is a key frame. */
  readonly frames: readonly SourceFrame[];
  /** By a clock that is right. */
  readonly frameMillis: number;
}

export interface CameraOptions {
  readonly clip: Clip;
  /** From the first GetMedia to the first fragment: so cameras do not keep step, nor what is sampled of them. */
  readonly delayMillis: number;
  /** Of this camera's clock: no two keep step for long. */
  readonly frameMillis: number;
  /** Called when the last byte of a key frame has been given to the system. @param millis of `performance` */
  readonly onKeyFrame: (fragmentNumber: string, millis: number) => void;
}

const SEGMENT_UUID = Buffer.alloc(16, 1);
/** As long as the service's. */
const FIRST_FRAGMENT_NUMBER = 91343852333181432392682062607743920146264094720n;
/** A reader that leaves as much unread does not keep up. */
const MAX_UNSENT_BYTES = 16 * 1024 * 1024;

/**
 * The GetMedia bodies of one live stream: each frame is sent when the camera has it, and the last tags of a fragment with
 * the first frame of the next one. Frames are the same for all cameras and lie ready as chunks of HTTP.
 */
export class Camera {
  readonly #options: CameraOptions;
  readonly #header: Buffer;
  readonly #blocks: readonly Buffer[];
  #socket: Socket | null = null;
  #startMillis = 0;
  /** Since the start. */
  #frames = 0;
  #endFragment: () => Buffer = () => Buffer.alloc(0);
  #timer: NodeJS.Timeout | undefined;
  bytes = 0;
  fragments = 0;
  readers = 0;

  constructor(options: CameraOptions, blocks: readonly Buffer[]) {
    this.#options = options;
    this.#header = streamHeader(options.clip.track, SEGMENT_UUID);
    this.#blocks = blocks;
  }

  /** Sends to this reader from the next fragment on. One at a time. */
  open(response: ServerResponse): void {
    const { socket } = response;
    if (socket === null || this.#socket !== null) throw new Error('a stream of this bench has one reader');
    // From here on we write the chunks ourselves: the server's own way costs more than all the rest.
    response.writeHead(200, { 'content-type': 'video/webm' }).flushHeaders();
    this.readers += 1;
    socket.once('close', () => this.close());
    this.#socket = socket;
    this.#startMillis = performance.now() + this.#options.delayMillis;
    this.#frames = 0;
    this.#wait();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#socket = null;
  }

  #wait(): void {
    const due = this.#startMillis + this.#frames * this.#options.frameMillis;
    this.#timer = setTimeout(() => this.#send(), Math.max(0, due - performance.now()));
  }

  #send(): void {
    const socket = this.#socket;
    if (socket === null) return;
    if (socket.writableLength > MAX_UNSENT_BYTES) throw new Error('the worker does not keep up');
    const index = this.#frames % this.#blocks.length;
    const block = this.#blocks[index] as Buffer;
    if (index === 0) this.#sendKeyFrame(socket, block);
    else socket.write(block);
    this.bytes += block.length;
    this.#frames += 1;
    this.#wait();
  }

  #sendKeyFrame(socket: Socket, block: Buffer): void {
    const fragmentNumber = String(FIRST_FRAGMENT_NUMBER + BigInt(this.fragments));
    const start = chunk(Buffer.concat([this.#endFragment(), this.#startFragment(fragmentNumber)]));
    const { onKeyFrame } = this.#options;
    // What waits in this process is not sent yet.
    const isBehind = socket.writableLength > 0;
    const sent = () => onKeyFrame(fragmentNumber, performance.timeOrigin + performance.now());
    socket.cork();
    socket.write(start);
    socket.write(block, isBehind ? sent : undefined);
    socket.uncork();
    if (!isBehind) sent();
    this.bytes += start.length;
  }

  #startFragment(fragmentNumber: string): Buffer {
    const { clip, frameMillis } = this.#options;
    const millis = Date.now();
    const end = millis + clip.frames.length * frameMillis;
    const times = {
      serverTimestampMillis: millis,
      serverEndMillis: end,
      producerTimestampMillis: millis,
      producerEndMillis: end,
      timecodeMillis: millis,
    };
    // Only what stands before and after the Cluster.
    const stored = { ...times, fragmentNumber, header: this.#header, content: Buffer.alloc(0) };
    const pieces = fragmentPieces(stored, () => millis);
    const leading = pieces.next().value as Buffer;
    this.#endFragment = () => {
      this.fragments += 1;
      return pieces.next().value as Buffer;
    };
    return Buffer.concat([leading, clusterStart(millis)]);
  }
}

/** Each frame's block, as a chunk of an HTTP body. */
export function blocksOf({ frames }: Clip): Buffer[] {
  return frames.map((frame) => chunk(frameBlock(frame)));
}

/** As `Transfer-Encoding: chunked` has it (RFC 9112, 7.1). */
function chunk(data: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')]);
}

import PQueue from 'p-queue';
import type { CodecParameters } from './codec.ts';
import { decodeKeyFrame } from './decoder.ts';
import { encodePicture, type Picture, type PictureFormat } from './encoder.ts';

/** The decoders of the whole worker: key frames in, pictures out. As many run at once as the pool is large. */
export class PicturePool {
  readonly #format: PictureFormat;
  readonly #queue: PQueue;

  constructor(format: PictureFormat, size: number) {
    this.#format = format;
    this.#queue = new PQueue({ concurrency: size });
  }

  /**
   * @param payload one key frame, as the Matroska block has it
   * @throws {KvsInferenceError} DECODE_FAILED, UNSUPPORTED_CODEC, ENCODE_FAILED
   */
  async picture(parameters: CodecParameters, payload: Buffer): Promise<Picture> {
    return await this.#queue.add(async () => {
      const frame = await decodeKeyFrame(parameters, payload);
      try {
        return await encodePicture(frame, this.#format);
      } finally {
        frame.free();
      }
    });
  }

  /** Resolves when no frame is under way. */
  async onIdle(): Promise<void> {
    await this.#queue.onIdle();
  }
}

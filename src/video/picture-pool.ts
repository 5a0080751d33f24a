import PQueue from 'p-queue';
import type { CodecParameters } from './codec.ts';
import { decodeKeyFrame } from './decoder.ts';
import { encodePicture, type Picture, type PictureOptions } from './encoder.ts';
import { PictureEncoders } from './picture-encoders.ts';

/** The decoders of the whole worker: key frames in, pictures out. As many run at once as the pool is large. */
export class PicturePool {
  readonly #queue: PQueue;
  readonly #encoders: PictureEncoders;

  /** @param size how many frames are decoded at once; each takes memory by its pixels */
  constructor(size: number) {
    this.#queue = new PQueue({ concurrency: size });
    this.#encoders = new PictureEncoders(size);
  }

  /**
   * @param payload one key frame, as the Matroska block has it
   * @throws {KvsInferenceError} DECODE_FAILED, UNSUPPORTED_CODEC, ENCODE_FAILED, PAYLOAD_TOO_LARGE
   */
  async picture(parameters: CodecParameters, payload: Buffer, options: PictureOptions): Promise<Picture> {
    return await this.#queue.add(async () => {
      const frame = await decodeKeyFrame(parameters, payload);
      try {
        return await encodePicture(frame, options, this.#encoders);
      } finally {
        frame.free();
      }
    });
  }

  /** Resolves when no frame is under way, and nothing is kept for the next one. */
  async onIdle(): Promise<void> {
    await this.#queue.onIdle();
    this.#encoders.close();
  }
}

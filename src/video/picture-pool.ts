import PQueue from 'p-queue';
import { type CodecParameters, isSameCodec } from './codec.ts';
import { KeyFrameDecoder } from './decoder.ts';
import { type Picture, PictureEncoder, type PictureFormat } from './encoder.ts';

interface Slot {
  readonly decoder: KeyFrameDecoder;
  readonly encoder: PictureEncoder;
}

/**
 * The decoders of the whole worker: key frames in, pictures out. As many run at once as there are slots; a slot
 * does one frame at a time. A frame goes to an idle slot that has its codec open already, if there is one.
 */
export class PicturePool {
  readonly #queue: PQueue;
  readonly #idle: Slot[];

  constructor(format: PictureFormat, size: number) {
    this.#queue = new PQueue({ concurrency: size });
    this.#idle = Array.from({ length: size }, () => ({
      decoder: new KeyFrameDecoder(),
      encoder: new PictureEncoder(format),
    }));
  }

  /**
   * @param payload one key frame, as the Matroska block has it
   * @throws {KvsInferenceError} DECODE_FAILED, UNSUPPORTED_CODEC, ENCODE_FAILED
   */
  async picture(parameters: CodecParameters, payload: Buffer): Promise<Picture> {
    return await this.#queue.add(async () => {
      const slot = this.#take(parameters);
      try {
        const frame = await slot.decoder.decode(parameters, payload);
        try {
          return await slot.encoder.encode(frame);
        } finally {
          frame.free();
        }
      } finally {
        this.#idle.push(slot);
      }
    });
  }

  /** Waits for the frames under way, then frees the FFmpeg contexts. The pool must not be used after it. */
  async close(): Promise<void> {
    await this.#queue.onIdle();
    for (const { decoder, encoder } of this.#idle.splice(0)) {
      decoder.close();
      encoder.close();
    }
  }

  #take(parameters: CodecParameters): Slot {
    const open = this.#idle.findIndex(
      ({ decoder }) => decoder.parameters !== null && isSameCodec(decoder.parameters, parameters),
    );
    const [slot] = this.#idle.splice(open === -1 ? 0 : open, 1);
    if (slot === undefined) throw new Error('the picture pool is closed');
    return slot;
  }
}

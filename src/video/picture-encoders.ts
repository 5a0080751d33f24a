import type { Frame } from 'node-av/lib';
import type { PictureFormat } from './encoder.ts';
import { PictureEncoder } from './picture-encoder.ts';
import type { Encoding } from './picture-size.ts';

/**
 * Encodes pictures of any kind, several at once, and keeps the encoders last used for pictures of the same kind: what
 * a new one is given and gives back, 15 MB for a JPEG of 1080p, costs 1 ms of 15 and leaves the heap in pieces.
 */
export class PictureEncoders {
  readonly #size: number;
  #running = 0;
  /** The one used last is last. */
  readonly #idle: { readonly key: string; readonly encoder: PictureEncoder }[] = [];

  /** @param size how many encode at once; no more are kept beside them */
  constructor(size: number) {
    this.#size = size;
  }

  /** @throws {KvsInferenceError} ENCODE_FAILED */
  async encode(frame: Frame, format: PictureFormat, encoding: Encoding): Promise<Buffer> {
    const { num, den } = frame.sampleAspectRatio;
    const key = `${format} ${encoding.width}x${encoding.height} ${encoding.quality} ${num}:${den}`;
    let encoder = this.#take(key);
    this.#running += 1;
    this.#closeExcess();
    try {
      encoder ??= new PictureEncoder(format, encoding, frame.sampleAspectRatio);
      const data = await encoder.encode(frame);
      this.#idle.push({ key, encoder });
      return data;
    } catch (error) {
      encoder?.close();
      throw error;
    } finally {
      this.#running -= 1;
      this.#closeExcess();
    }
  }

  /** Frees those that are kept. */
  close(): void {
    for (const { encoder } of this.#idle.splice(0)) encoder.close();
  }

  #closeExcess(): void {
    while (this.#idle.length + this.#running > this.#size && this.#idle.length > 0) {
      this.#idle.shift()?.encoder.close();
    }
  }

  #take(key: string): PictureEncoder | null {
    const index = this.#idle.findLastIndex((idle) => idle.key === key);
    return index < 0 ? null : (this.#idle.splice(index, 1)[0]?.encoder ?? null);
  }
}

import { blockPayloads, MAX_BLOCK_HEADER_BYTES, parseBlockHeader } from './block.ts';
import type { EbmlElement, LeafFilter } from './ebml-reader.ts';
import { ElementId } from './elements.ts';
import { type Frame, type FrameHeader, FrameHeaders, type FrameToRead } from './frame.ts';
import type { Track } from './tracks.ts';

/** Whether a frame is to be read. */
export type Wants = (frame: FrameHeader) => boolean;

/**
 * Turns blocks into the frames that are wanted. Of most blocks, a SimpleBlock with one frame, the header is all that is
 * read before that is known.
 */
export class FrameReader {
  readonly headers = new FrameHeaders();
  readonly #wants: Wants | null;
  readonly #tracks: () => ReadonlyMap<number, Track>;
  /** Whether blocks belong to a fragment; others have no frames. */
  isInFragment = false;
  /** The frame of the SimpleBlock that comes next, without its header, if it has one frame. */
  #wanted: FrameToRead | null = null;
  /** Read and not taken yet: the frame of such a block, or those of any other one. */
  #frame: Frame | null = null;
  #laces: Iterator<Frame, void> | null = null;

  constructor(options: { wants: Wants | null; tracks: () => ReadonlyMap<number, Track> }) {
    this.#wants = options.wants;
    this.#tracks = options.tracks;
  }

  /** Which SimpleBlocks are to be delivered to `take`. Of a laced one each frame is asked for when it is read. */
  readonly filter: LeafFilter = {
    id: ElementId.SimpleBlock,
    headBytes: MAX_BLOCK_HEADER_BYTES,
    accept: (element, bytes, start, size) => {
      if (!this.isInFragment) return null;
      const block = parseBlockHeader(element, bytes, start, size);
      if (block.lacing !== 'NO') return 0;
      const frame = this.headers.next(element, block);
      if (this.#wants !== null && !this.#wants(frame)) return null;
      this.#wanted = frame;
      return block.length;
    },
  };

  /** @param keyFrame of a BlockGroup; its data has to hold until its frames are taken */
  take(element: EbmlElement, data: Buffer, keyFrame?: boolean): void {
    const frame = this.#wanted;
    if (frame !== null) {
      frame.payload = this.#payload(frame.trackNumber, data);
      this.#frame = frame;
      this.#wanted = null;
    } else if (this.isInFragment) {
      this.#laces = this.#split(element, data, keyFrame);
    }
  }

  /** The next frame that is wanted of the block that was taken last; null after the last one. */
  next(): Frame | null {
    const frame = this.#frame;
    if (frame !== null) {
      this.#frame = null;
      return frame;
    }
    if (this.#laces === null) return null;
    const lace = this.#laces.next();
    if (!lace.done) return lace.value;
    this.#laces = null;
    return null;
  }

  /** Of each it is asked whether it is wanted when the one before has been taken. */
  *#split(element: EbmlElement, data: Buffer, keyFrame?: boolean): Generator<Frame, void, undefined> {
    const block = parseBlockHeader(element, data, 0, data.length);
    let laceIndex = 0;
    for (const content of blockPayloads(element, block, data)) {
      const frame = this.headers.next(element, block, laceIndex, keyFrame);
      laceIndex += 1;
      if (this.#wants !== null && !this.#wants(frame)) continue;
      frame.payload = this.#payload(frame.trackNumber, content);
      yield frame;
    }
  }

  /** With what the track's compression has stripped. */
  #payload(trackNumber: number, content: Buffer): Buffer {
    const strippedHeader = this.#tracks().get(trackNumber)?.strippedHeader ?? null;
    return strippedHeader === null ? content : Buffer.concat([strippedHeader, content]);
  }
}

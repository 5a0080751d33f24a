import { blockPayloads, MAX_BLOCK_HEADER_BYTES, parseBlockHeader } from './block.ts';
import type { EbmlElement, LeafFilter } from './ebml-reader.ts';
import { ElementId } from './elements.ts';
import { type Frame, type FrameHeader, FrameHeaders, type FrameToRead } from './frame.ts';
import type { Track } from './tracks.ts';

/** Whether a frame is to be read. */
export type Wants = (frame: FrameHeader) => boolean;

interface CompleteBlock {
  readonly element: EbmlElement;
  readonly data: Buffer;
  /** Of a BlockGroup: its block has no flag. */
  readonly keyFrame: boolean | undefined;
}

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
  #block: CompleteBlock | null = null;
  /** Of the SimpleBlock that comes next, if it has one frame: the frame, and how long the block's header is. */
  #wanted: FrameToRead | null = null;
  #headerBytes = 0;

  constructor(options: { wants: Wants | null; tracks: () => ReadonlyMap<number, Track> }) {
    this.#wants = options.wants;
    this.#tracks = options.tracks;
  }

  /** Which SimpleBlocks are to be delivered to `take`. Of a laced one each frame is asked for when it is read. */
  readonly filter: LeafFilter = {
    id: ElementId.SimpleBlock,
    headBytes: MAX_BLOCK_HEADER_BYTES,
    accept: (element, bytes, start, size) => {
      if (!this.isInFragment) return false;
      const block = parseBlockHeader(element, bytes, start, size);
      if (block.lacing !== 'NO') return true;
      const frame = this.headers.next(element, block);
      if (this.#wants !== null && !this.#wants(frame)) return false;
      this.#wanted = frame;
      this.#headerBytes = block.length;
      return true;
    },
  };

  /** @param keyFrame of a BlockGroup; its data has to hold until its frames are read */
  take(element: EbmlElement, data: Buffer, keyFrame?: boolean): void {
    this.#block = { element, data, keyFrame };
  }

  /** The frame of the block that was taken last, if it has one and was accepted. Null: there is none, or `frames` has. */
  frame(): Frame | null {
    const frame = this.#wanted;
    if (frame === null || this.#block === null) return null;
    frame.payload = this.#payload(frame.trackNumber, this.#block.data.subarray(this.#headerBytes));
    this.#wanted = null;
    this.#block = null;
    return frame;
  }

  /** Whether `frames` is to be called. */
  get hasBlock(): boolean {
    return this.#block !== null;
  }

  /** Those of any other block: of each it is asked whether it is wanted when the one before has been taken. */
  *frames(): Generator<Frame, void, undefined> {
    const taken = this.#block;
    this.#block = null;
    if (taken === null || !this.isInFragment) return;
    const { element, data, keyFrame } = taken;
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

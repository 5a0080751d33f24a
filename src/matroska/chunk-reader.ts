import { type Header, MAX_HEADER_BYTES, parseHeader } from './header.ts';

const NOTHING = Buffer.alloc(0);

/**
 * The bytes of a stream that comes in chunks: headers, content to skip, and content that is wanted in one piece. What
 * takes more than the chunk has is asked for again, in the same way, when the next one has come.
 *
 * Memory: the largest content that is put together, and the start of one header, beside the chunk.
 */
export class ChunkReader {
  /** Of the next byte, from the stream's start. */
  offset = 0;
  #chunk: Buffer = NOTHING;
  #position = 0;
  /** The beginning of a header that the chunks so far have cut. */
  readonly #carry = Buffer.alloc(MAX_HEADER_BYTES);
  #carried = 0;
  /** The content as far as the chunks so far had it, at the start of what may be longer. */
  #gathering: Buffer = NOTHING;
  #gatheredBytes = 0;
  /** Of what was gathered since `trim`, the largest content, bytes. */
  #largestGathered = 0;

  /** The chunk before has to be used up. */
  push(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#position = 0;
  }

  /** Whether a header has been begun. */
  get isInHeader(): boolean {
    return this.#carried > 0;
  }

  /**
   * The next header, with `offset` left at its start, for whoever enters it; null: it is not complete.
   *
   * @throws {MatroskaError} INVALID_ELEMENT_ID, INVALID_ELEMENT_SIZE
   */
  takeHeader(): Header | null {
    const chunk = this.#chunk;
    let header: Header | null;
    if (this.#carried === 0) {
      header = parseHeader(chunk, this.#position, chunk.length, this.offset);
      if (header === null) this.#carried = chunk.copy(this.#carry, 0, this.#position);
      else this.#position += header.length;
    } else {
      const copied = chunk.copy(this.#carry, this.#carried, this.#position);
      header = parseHeader(this.#carry, 0, this.#carried + copied, this.offset);
      this.#position += header === null ? copied : header.length - this.#carried;
      this.#carried = header === null ? this.#carried + copied : 0;
    }
    return header;
  }

  /** @returns how many of `bytes` the chunk had */
  skip(bytes: number): number {
    const skipped = Math.min(bytes, this.#chunk.length - this.#position);
    this.#position += skipped;
    this.offset += skipped;
    return skipped;
  }

  /** Whether the first `headBytes` of a content of `size` bytes have come: then they are in `head` from `headStart`. */
  hasHead(size: number, headBytes: number): boolean {
    if (this.#gatheredBytes === 0 && this.#chunk.length - this.#position >= headBytes) return true;
    this.#gather(size, headBytes);
    return this.#gatheredBytes === headBytes;
  }

  get head(): Buffer {
    return this.#gatheredBytes === 0 ? this.#chunk : this.#gathering;
  }

  get headStart(): number {
    return this.#gatheredBytes === 0 ? this.#position : 0;
  }

  /** Gives up the head of a content that is not wanted. @returns how many of its `size` bytes are still to come */
  dropHead(size: number): number {
    const gatheredBytes = this.#gatheredBytes;
    this.#gatheredBytes = 0;
    return size - gatheredBytes;
  }

  /**
   * A content of `size` bytes without its first `leftOut`: a view where one chunk holds it all, else put together
   * chunk by chunk. It holds until more is read. Null: it is not complete.
   */
  takeContent(size: number, leftOut: number): Buffer | null {
    const start = this.#position;
    if (this.#gatheredBytes === 0 && this.#chunk.length - start >= size) {
      this.#position += size;
      this.offset += size;
      return this.#chunk.subarray(start + leftOut, start + size);
    }
    this.#gather(size, size);
    if (this.#gatheredBytes < size) return null;
    this.#gatheredBytes = 0;
    return this.#gathering.subarray(leftOut, size);
  }

  /**
   * Gathers a content of `size` bytes up to its first `end` bytes. All are gathered in the same memory, as fresh
   * memory costs several times as much as the copying.
   */
  #gather(size: number, end: number): void {
    this.#largestGathered = Math.max(this.#largestGathered, size);
    if (this.#gathering.length < size) this.#gathering = Buffer.allocUnsafeSlow(size);
    const start = this.#position;
    const copied = this.#chunk.copy(
      this.#gathering,
      this.#gatheredBytes,
      start,
      start + end - this.#gatheredBytes,
    );
    this.#position += copied;
    this.offset += copied;
    this.#gatheredBytes += copied;
  }

  /** Gives up memory of which less than half was needed since the last time. */
  trim(): void {
    if (this.#largestGathered < this.#gathering.length / 2) this.#gathering = NOTHING;
    this.#largestGathered = 0;
  }
}

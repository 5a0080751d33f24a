/** The bytes of a stream that are still needed, addressed by their offset from its start. */
export class ByteLog {
  #chunks: Buffer[] = [];
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** Offset of the next byte to come. */
  get end(): number {
    return this.#end;
  }

  append(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#end += chunk.length;
  }

  /** Takes the bytes up to `offset`, as a copy that keeps no chunk alive. */
  take(offset: number): Buffer {
    const taken = Buffer.concat(this.#chunks, offset - this.#start);
    this.drop(offset);
    return taken;
  }

  drop(offset: number): void {
    let remaining = offset - this.#start;
    const first = this.#chunks.findIndex((chunk) => {
      if (chunk.length > remaining) return true;
      remaining -= chunk.length;
      return false;
    });
    this.#chunks = first === -1 ? [] : this.#chunks.slice(first);
    this.#start = offset;
    const cut = this.#chunks[0];
    if (cut !== undefined) this.#chunks[0] = cut.subarray(remaining);
  }
}

import { ElementId, type ElementSchema, elementSchema } from './elements.ts';
import { MatroskaError } from './error.ts';
import { type Header, MAX_HEADER_BYTES, parseHeader, UNKNOWN_SIZE } from './header.ts';

/** An element whose header has been read. Offsets are bytes from the stream's start. */
export interface EbmlElement {
  readonly id: number;
  readonly name: string;
  readonly start: number;
  readonly level: number | null;
  /** First byte after the content; of a master of unknown size that of its bounded parent, or -1. */
  readonly end: number;
  readonly isUnknownSize: boolean;
}

export type EbmlEvent =
  | { readonly type: 'start' | 'end'; readonly element: EbmlElement }
  /** `data` is a view into the chunk where it can be: copy what you keep, or the whole chunk stays alive. */
  | { readonly type: 'leaf'; readonly element: EbmlElement; readonly data: Buffer };

export interface EbmlReaderOptions {
  /** IDs of the masters to descend into. */
  masters: ReadonlySet<number>;
  /** IDs of the elements (masters too) to deliver whole. What is in neither set is skipped, unbuffered. */
  leaves: ReadonlySet<number>;
  /** The largest element to deliver, or to skip where no parent bounds it, in bytes. Default 64 MiB. */
  maxElementBytes?: number | undefined;
}

export const DEFAULT_MAX_ELEMENT_BYTES = 64 * 1024 * 1024;
const MAX_DEPTH = 16;

/**
 * Splits a byte stream into EBML elements. The `ebml` package gives the schema (elements.ts) and the leaf decoders
 * (values.ts); the byte path is ours, because the package's own copies all pending bytes per chunk, misreads
 * 8-byte sizes and buffers whatever a corrupt size asks for.
 *
 * Memory: at most one gathered element (`maxElementBytes`) and the start of one header beside the chunk given.
 */
export class EbmlReader {
  readonly #masters: ReadonlySet<number>;
  readonly #leaves: ReadonlySet<number>;
  readonly #maxElementBytes: number;
  /** The masters that are open, outermost first. */
  readonly #open: EbmlElement[] = [];
  /** Bytes consumed so far: the offset of the next one. */
  #offset = 0;
  #chunk: Buffer = Buffer.alloc(0);
  #position = 0;
  /** The beginning of a header that the chunks so far have cut. */
  readonly #carry = Buffer.alloc(MAX_HEADER_BYTES);
  #carried = 0;
  /** The element to deliver next, and its content as far as the chunks so far had it. */
  #leaf: EbmlElement | null = null;
  #gathered: Buffer | null = null;
  #gatheredBytes = 0;
  #skipBytes = 0;
  #hasHeader = false;

  constructor(options: EbmlReaderOptions) {
    this.#masters = options.masters;
    this.#leaves = options.leaves;
    this.#maxElementBytes = options.maxElementBytes ?? DEFAULT_MAX_ELEMENT_BYTES;
  }

  /** If the stream ends here, no element is cut. A master of unknown size may end anywhere. */
  get isAtBoundary(): boolean {
    const isInElement = this.#carried > 0 || this.#leaf !== null || this.#skipBytes > 0;
    return !isInElement && this.#open.every((element) => element.end === -1);
  }

  /**
   * Yields every element that is complete with this chunk, in order. The chunk may have any length.
   *
   * @throws {MatroskaError} at the first bytes that cannot be right. What was yielded before stands; the reader
   *   must not be used again.
   */
  *read(chunk: Buffer): Generator<EbmlEvent, void, undefined> {
    this.#chunk = chunk;
    this.#position = 0;
    while (true) {
      if (this.#skipBytes > 0) {
        this.#skip();
        if (this.#skipBytes > 0) return;
      } else if (this.#leaf !== null) {
        const data = this.#takeContent(this.#leaf);
        if (data === null) return;
        const element = this.#leaf;
        this.#leaf = null;
        yield { type: 'leaf', element, data };
      } else {
        const header = this.#takeHeader();
        if (header === null) return;
        const schema = elementSchema(header.id);
        for (let top = this.#top; top !== undefined && endsBefore(top, schema); top = this.#top) {
          this.#open.pop();
          yield { type: 'end', element: top };
        }
        const master = this.#enter(header, schema);
        if (master !== null) yield { type: 'start', element: master };
      }
      for (
        let top = this.#top;
        top !== undefined && top.end === this.#offset && this.#isBetween;
        top = this.#top
      ) {
        this.#open.pop();
        yield { type: 'end', element: top };
      }
    }
  }

  get #top(): EbmlElement | undefined {
    return this.#open[this.#open.length - 1];
  }

  get #isBetween(): boolean {
    return this.#leaf === null && this.#skipBytes === 0;
  }

  #takeHeader(): Header | null {
    const chunk = this.#chunk;
    let header: Header | null;
    if (this.#carried === 0) {
      header = parseHeader(chunk, this.#position, chunk.length, this.#offset);
      if (header === null) this.#carried = chunk.copy(this.#carry, 0, this.#position);
      else this.#position += header.length;
    } else {
      const copied = chunk.copy(this.#carry, this.#carried, this.#position);
      header = parseHeader(this.#carry, 0, this.#carried + copied, this.#offset);
      this.#position += header === null ? copied : header.length - this.#carried;
      this.#carried = header === null ? this.#carried + copied : 0;
    }
    return header;
  }

  /** Checks the element against what is open and decides: descend (returns it), deliver, or skip. */
  #enter(header: Header, schema: ElementSchema): EbmlElement | null {
    const { id, size } = header;
    const start = this.#offset;
    const fail = (code: MatroskaError['code'], problem: string) =>
      new MatroskaError(code, schema.name, start, problem);
    const parent = this.#top;
    if (!this.#hasHeader && id !== ElementId.EBML) {
      throw fail('NOT_MATROSKA', 'a Matroska stream starts with an EBML header');
    }
    this.#hasHeader = true;
    if (!canStandIn(parent, id, schema)) {
      throw fail('UNEXPECTED_ELEMENT', `cannot stand ${parent === undefined ? 'here' : `in ${parent.name}`}`);
    }
    this.#offset += header.length;
    const bound = parent?.end ?? -1;
    const isUnknownSize = size === UNKNOWN_SIZE;
    const end = isUnknownSize ? bound : this.#offset + size;
    if (bound !== -1 && Math.max(end, this.#offset) > bound) {
      const what = isUnknownSize ? `${header.length} bytes of header` : `${size} bytes`;
      throw fail('ELEMENT_EXCEEDS_PARENT', `${what}, but ${parent?.name} ends at byte ${bound}`);
    }
    const element: EbmlElement = { id, name: schema.name, level: schema.level, start, end, isUnknownSize };
    const isDelivered = this.#leaves.has(id);
    if (isUnknownSize && (isDelivered || !schema.isMaster)) {
      throw fail('INVALID_ELEMENT_SIZE', 'unknown size, which only a master element may have');
    }
    if (isUnknownSize || this.#masters.has(id)) {
      if (this.#open.length >= MAX_DEPTH) throw fail('NESTING_TOO_DEEP', `below ${MAX_DEPTH} open elements`);
      this.#open.push(element);
      return element;
    }
    if (size > this.#maxElementBytes && (isDelivered || bound === -1)) {
      throw fail('ELEMENT_TOO_LARGE', `${size} bytes, at most ${this.#maxElementBytes} are read`);
    }
    if (isDelivered) this.#leaf = element;
    else this.#skipBytes = size;
    return null;
  }

  #skip(): void {
    const skipped = Math.min(this.#skipBytes, this.#chunk.length - this.#position);
    this.#position += skipped;
    this.#offset += skipped;
    this.#skipBytes -= skipped;
  }

  /** The content: a view where one chunk holds it all, else a copy that is put together chunk by chunk. */
  #takeContent(element: EbmlElement): Buffer | null {
    const size = element.end - this.#offset + this.#gatheredBytes;
    const available = this.#chunk.length - this.#position;
    if (this.#gathered === null) {
      if (available >= size) {
        const data = this.#chunk.subarray(this.#position, this.#position + size);
        this.#position += size;
        this.#offset += size;
        return data;
      }
      this.#gathered = Buffer.allocUnsafeSlow(size);
      this.#gatheredBytes = 0;
    }
    const copied = this.#chunk.copy(this.#gathered, this.#gatheredBytes, this.#position);
    this.#position += copied;
    this.#offset += copied;
    this.#gatheredBytes += copied;
    if (this.#gatheredBytes < size) return null;
    const data = this.#gathered;
    this.#gathered = null;
    this.#gatheredBytes = 0;
    return data;
  }
}

/** A master of unknown size ends where an element comes that stands at its own level or above (RFC 8794, 6.2). */
function endsBefore(master: EbmlElement, next: ElementSchema): boolean {
  return (
    master.isUnknownSize &&
    master.level !== null &&
    next.level !== null &&
    next.level >= 0 &&
    next.level <= master.level
  );
}

function canStandIn(parent: EbmlElement | undefined, id: number, { level }: ElementSchema): boolean {
  if (parent === undefined) return level === 0 || level === -1;
  if (level === null || level === -1 || parent.level === null) return true;
  return level > parent.level || (id === ElementId.SimpleTag && parent.id === id);
}

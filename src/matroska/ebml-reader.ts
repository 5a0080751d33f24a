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
  /** `data` holds until the next event is asked for: copy what you keep. */
  | { readonly type: 'leaf'; readonly element: EbmlElement; readonly data: Buffer };

export interface EbmlReaderOptions {
  /** IDs of the masters to descend into. */
  masters: ReadonlySet<number>;
  /** IDs of the elements (masters too) to deliver whole. What is in neither set is skipped, unbuffered. */
  leaves: ReadonlySet<number>;
  /** Asked before an element of one kind is delivered; default: all are. */
  filter?: LeafFilter | undefined;
  /** The largest element to deliver, or to skip where no parent bounds it, in bytes. Default 64 MiB. */
  maxElementBytes?: number | undefined;
}

/** Which elements of one kind are delivered: what is not is skipped, its content untouched. */
export interface LeafFilter {
  readonly id: number;
  /** How much of the content the decision takes. */
  readonly headBytes: number;
  /** Asked when everything before has been delivered. Of the content, `headBytes` or all `size` bytes are at `start`. */
  readonly accept: (element: EbmlElement, bytes: Buffer, start: number, size: number) => boolean;
}

export const DEFAULT_MAX_ELEMENT_BYTES = 64 * 1024 * 1024;
const MAX_DEPTH = 16;
const NOTHING = Buffer.alloc(0);

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
  readonly #filter: LeafFilter | null;
  /** The masters that are open, outermost first. */
  readonly #open: EbmlElement[] = [];
  /** Bytes consumed so far: the offset of the next one. */
  #offset = 0;
  #chunk: Buffer = NOTHING;
  #position = 0;
  /** The beginning of a header that the chunks so far have cut. */
  readonly #carry = Buffer.alloc(MAX_HEADER_BYTES);
  #carried = 0;
  /** The element to deliver next, and the filter that it has to pass first. */
  #leaf: EbmlElement | null = null;
  #undecided: LeafFilter | null = null;
  /** Its content as far as the chunks so far had it, at the start of what may be longer. */
  #gathering: Buffer = NOTHING;
  #gatheredBytes = 0;
  #skipBytes = 0;
  /** Read, and what it heads not entered yet. */
  #header: Header | null = null;
  #hasHeader = false;

  constructor(options: EbmlReaderOptions) {
    this.#masters = options.masters;
    this.#leaves = options.leaves;
    this.#filter = options.filter ?? null;
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
    this.push(chunk);
    for (let event = this.next(); event !== null; event = this.next()) yield event;
  }

  /** Gives the next chunk, when `next` has come to the end of the one before. */
  push(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#position = 0;
  }

  /** What comes next; null where that takes another chunk. Throws as `read` does. */
  next(): EbmlEvent | null {
    while (true) {
      const top = this.#top;
      if (this.#skipBytes > 0) {
        this.#skip();
        if (this.#skipBytes > 0) return null;
      } else if (this.#leaf !== null) {
        const element = this.#leaf;
        if (this.#undecided !== null && !this.#decide(element, this.#undecided)) return null;
        // Not wanted: its content is skipped.
        if (this.#leaf === null) continue;
        const data = this.#takeContent(element);
        if (data === null) return null;
        this.#leaf = null;
        return { type: 'leaf', element, data };
      } else if (top !== undefined && this.#endsHere(top)) {
        this.#open.pop();
        return { type: 'end', element: top };
      } else if (this.#header !== null) {
        const header = this.#header;
        this.#header = null;
        const master = this.#enter(header, elementSchema(header.id));
        if (master !== null) return { type: 'start', element: master };
      } else {
        this.#header = this.#takeHeader();
        if (this.#header === null) return null;
      }
    }
  }

  /** Its size is over, or what follows cannot stand in it. */
  #endsHere(master: EbmlElement): boolean {
    if (this.#header !== null) return endsBefore(master, elementSchema(this.#header.id));
    return master.end === this.#offset;
  }

  get #top(): EbmlElement | undefined {
    return this.#open[this.#open.length - 1];
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
    const parent = this.#top;
    if (!this.#hasHeader && id !== ElementId.EBML) {
      throw fail(schema, start, 'NOT_MATROSKA', 'a Matroska stream starts with an EBML header');
    }
    this.#hasHeader = true;
    // Not for ever as large as the largest element was.
    if (id === ElementId.EBML) this.#gathering = NOTHING;
    if (!canStandIn(parent, id, schema)) {
      throw fail(
        schema,
        start,
        'UNEXPECTED_ELEMENT',
        `cannot stand ${parent === undefined ? 'here' : `in ${parent.name}`}`,
      );
    }
    this.#offset += header.length;
    const bound = parent?.end ?? -1;
    const isUnknownSize = size === UNKNOWN_SIZE;
    const end = isUnknownSize ? bound : this.#offset + size;
    if (bound !== -1 && Math.max(end, this.#offset) > bound) {
      const what = isUnknownSize ? `${header.length} bytes of header` : `${size} bytes`;
      throw fail(
        schema,
        start,
        'ELEMENT_EXCEEDS_PARENT',
        `${what}, but ${parent?.name} ends at byte ${bound}`,
      );
    }
    const element: EbmlElement = { id, name: schema.name, level: schema.level, start, end, isUnknownSize };
    const isDelivered = this.#leaves.has(id);
    if (isUnknownSize && (isDelivered || !schema.isMaster)) {
      throw fail(schema, start, 'INVALID_ELEMENT_SIZE', 'unknown size, which only a master element may have');
    }
    if (isUnknownSize || this.#masters.has(id)) {
      if (this.#open.length >= MAX_DEPTH)
        throw fail(schema, start, 'NESTING_TOO_DEEP', `below ${MAX_DEPTH} open elements`);
      this.#open.push(element);
      return element;
    }
    if (size > this.#maxElementBytes && (isDelivered || bound === -1)) {
      throw fail(
        schema,
        start,
        'ELEMENT_TOO_LARGE',
        `${size} bytes, at most ${this.#maxElementBytes} are read`,
      );
    }
    if (!isDelivered) this.#skipBytes = size;
    else {
      this.#leaf = element;
      this.#undecided = id === this.#filter?.id ? this.#filter : null;
    }
    return null;
  }

  #skip(): void {
    const skipped = Math.min(this.#skipBytes, this.#chunk.length - this.#position);
    this.#position += skipped;
    this.#offset += skipped;
    this.#skipBytes -= skipped;
  }

  /** Asks the filter, if what it is to see has come. @returns whether it has */
  #decide(element: EbmlElement, { accept, headBytes }: LeafFilter): boolean {
    const size = this.#contentBytes(element);
    const head = Math.min(size, headBytes);
    const isInChunk = this.#gatheredBytes === 0 && this.#chunk.length - this.#position >= head;
    if (!isInChunk) {
      this.#gather(size, head);
      if (this.#gatheredBytes < head) return false;
    }
    this.#undecided = null;
    const isWanted = isInChunk
      ? accept(element, this.#chunk, this.#position, size)
      : accept(element, this.#gathering, 0, size);
    if (!isWanted) {
      this.#leaf = null;
      this.#gatheredBytes = 0;
      this.#skipBytes = element.end - this.#offset;
    }
    return true;
  }

  /** The content: a view where one chunk holds it all, else put together chunk by chunk. Null: it is not complete. */
  #takeContent(element: EbmlElement): Buffer | null {
    const size = this.#contentBytes(element);
    const start = this.#position;
    if (this.#gatheredBytes === 0 && this.#chunk.length - start >= size) {
      this.#position += size;
      this.#offset += size;
      return this.#chunk.subarray(start, start + size);
    }
    this.#gather(size, size);
    if (this.#gatheredBytes < size) return null;
    this.#gatheredBytes = 0;
    return this.#gathering.subarray(0, size);
  }

  #contentBytes(element: EbmlElement): number {
    return element.end - this.#offset + this.#gatheredBytes;
  }

  /**
   * Gathers the content of an element, `size` bytes, up to its first `end` bytes. All are gathered in the same memory,
   * as fresh memory costs several times as much as the copying; until the next document.
   */
  #gather(size: number, end: number): void {
    if (this.#gathering.length < size) this.#gathering = Buffer.allocUnsafeSlow(size);
    const start = this.#position;
    const copied = this.#chunk.copy(
      this.#gathering,
      this.#gatheredBytes,
      start,
      start + end - this.#gatheredBytes,
    );
    this.#position += copied;
    this.#offset += copied;
    this.#gatheredBytes += copied;
  }
}

function fail({ name }: ElementSchema, start: number, code: MatroskaError['code'], problem: string) {
  return new MatroskaError(code, name, start, problem);
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

import { ElementId, elementSchema } from '../../src/matroska/elements.ts';
import { parseHeader, UNKNOWN_SIZE } from '../../src/matroska/header.ts';

/** Where an element stands, bytes from the start of its fragment. */
export interface ElementSpan {
  readonly name: string;
  readonly start: number;
  readonly contentStart: number;
  /** Null for a master of unknown size. */
  readonly end: number | null;
}

/** One fragment of a GetMedia body, from its EBML header through its trailing tags. */
export interface MediaFragment {
  readonly fragmentNumber: string;
  readonly bytes: Buffer;
  /** Masters before what they hold. */
  readonly elements: readonly ElementSpan[];
}

const { EBML, Segment, Info, Tracks, TrackEntry, Cluster, BlockGroup, Tags, Tag, SimpleTag } = ElementId;
const MASTERS: ReadonlySet<number> = new Set([
  ...[EBML, Segment, Info, Tracks, TrackEntry, Cluster, BlockGroup, Tags, Tag, SimpleTag],
]);
const CONTINUATION_TOKEN = 'AWS_KINESISVIDEO_CONTINUATION_TOKEN';

/** Cuts a GetMedia body, as the emulator sends it, into its fragments. Knows where each element is; repairs nothing. */
export class MediaFragments {
  #chunks: Buffer[] = [];
  #length = 0;
  /** Nothing can be read before there is so much. */
  #neededLength = 0;
  #position = 0;
  #elements: ElementSpan[] = [];
  #tagsEnd = 0;
  #tagName = '';

  /** What is no fragment, or not a whole one yet. */
  get rest(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** @param chunk of any length */
  *read(chunk: Buffer): Generator<MediaFragment, void, undefined> {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#neededLength) return;
    let bytes = this.rest;
    for (let token = this.#findToken(bytes); token !== null; token = this.#findToken(bytes)) {
      const end = this.#tagsEnd;
      yield { fragmentNumber: token, bytes: bytes.subarray(0, end), elements: this.#elements };
      bytes = bytes.subarray(end);
      this.#elements = [];
      this.#position = 0;
    }
    this.#chunks = [bytes];
    this.#length = bytes.length;
  }

  /** @returns the continuation token, which completes a fragment and is its number; null where more is needed */
  #findToken(bytes: Buffer): string | null {
    for (;;) {
      const start = this.#position;
      const header = parseHeader(bytes, start, bytes.length, start);
      this.#neededLength = 0;
      if (header === null) return null;
      const contentStart = start + header.length;
      const end = header.size === UNKNOWN_SIZE ? null : contentStart + header.size;
      const isMaster = MASTERS.has(header.id);
      if (header.id === Tags) this.#tagsEnd = end ?? 0;
      const needed = header.id === Tags || !isMaster ? (end ?? 0) : 0;
      if (needed > bytes.length) {
        this.#neededLength = needed;
        return null;
      }
      this.#elements.push({ name: elementSchema(header.id).name, start, contentStart, end });
      this.#position = isMaster ? contentStart : needed;
      const text = () => bytes.toString('utf8', contentStart, needed);
      if (header.id === ElementId.TagName) this.#tagName = text();
      if (header.id === ElementId.TagString && this.#tagName === CONTINUATION_TOKEN) return text();
    }
  }
}

import { schema } from 'ebml';
import type { EbmlElement } from './ebml-reader.ts';

/** Element IDs with their length marker, named as in RFC 9559 (Matroska) and RFC 8794 (EBML). */
export const ElementId = {
  EBML: 0x1a45dfa3,
  DocType: 0x4282,
  Segment: 0x18538067,
  Info: 0x1549a966,
  TimestampScale: 0x2ad7b1,
  Tracks: 0x1654ae6b,
  TrackEntry: 0xae,
  TrackNumber: 0xd7,
  TrackType: 0x83,
  Name: 0x536e,
  CodecID: 0x86,
  CodecPrivate: 0x63a2,
  Video: 0xe0,
  PixelWidth: 0xb0,
  PixelHeight: 0xba,
  Audio: 0xe1,
  SamplingFrequency: 0xb5,
  Channels: 0x9f,
  ContentEncodings: 0x6d80,
  ContentEncoding: 0x6240,
  ContentEncryption: 0x5035,
  ContentCompression: 0x5034,
  ContentCompAlgo: 0x4254,
  ContentCompSettings: 0x4255,
  Tags: 0x1254c367,
  Tag: 0x7373,
  SimpleTag: 0x67c8,
  TagName: 0x45a3,
  TagString: 0x4487,
  Cluster: 0x1f43b675,
  Timestamp: 0xe7,
  SimpleBlock: 0xa3,
  BlockGroup: 0xa0,
  Block: 0xa1,
  ReferenceBlock: 0xfb,
} as const;

/** What the `ebml` package's schema says of an element, or that it knows nothing of it. */
export interface ElementSchema {
  readonly name: string;
  /** Depth at which the element stands: 0 EBML and Segment, 1 Cluster …, -1 anywhere, null unknown element. */
  readonly level: number | null;
  readonly isMaster: boolean;
}

const schemas = new Map<number, ElementSchema>(
  [...schema].map(([id, { name, level, type }]) => [id, { name, level, isMaster: type === 'm' }]),
);

/** Never fails: an ID that the schema lacks is an unknown element, which a reader skips (RFC 8794, 6.1). */
export function elementSchema(id: number): ElementSchema {
  return schemas.get(id) ?? { name: `0x${id.toString(16).toUpperCase()}`, level: null, isMaster: false };
}

/** A master of unknown size ends where an element comes that stands at its own level or above (RFC 8794, 6.2). */
export function endsBefore(master: EbmlElement, next: ElementSchema): boolean {
  return (
    master.isUnknownSize &&
    master.level !== null &&
    next.level !== null &&
    next.level >= 0 &&
    next.level <= master.level
  );
}

export function canStandIn(parent: EbmlElement | undefined, id: number, { level }: ElementSchema): boolean {
  if (parent === undefined) return level === 0 || level === -1;
  if (level === null || level === -1 || parent.level === null) return true;
  return level > parent.level || (id === ElementId.SimpleTag && parent.id === id);
}

import { MatroskaError } from './error.ts';

/*
 * The wire grammar (RFC 8794):
 *
 *   Document = EBML Segment          a GetMedia body is many of them, one after the other
 *   Element  = ID Size Content       Content = Element* of a master, bytes of any other
 *   ID       = vint of 1-4 bytes, its length marker kept
 *   Size     = vint of 1-8 bytes, its length marker removed; all ones = unknown
 */

export interface Header {
  readonly id: number;
  /** Of the content, bytes, or `UNKNOWN_SIZE`. */
  readonly size: number;
  /** Of ID and size together, bytes. */
  readonly length: number;
}

export const UNKNOWN_SIZE = -1;
export const MAX_HEADER_BYTES = 12;
const MAX_ID_BYTES = 4;

/**
 * Reads the element header at `start`; null = not enough bytes before `end`.
 *
 * @param offset of the header in the stream, for errors
 * @throws {MatroskaError} INVALID_ELEMENT_ID, INVALID_ELEMENT_SIZE
 */
export function parseHeader(bytes: Buffer, start: number, end: number, offset: number): Header | null {
  if (start >= end) return null;
  const idBytes = vintLength(bytes[start] as number);
  if (idBytes > MAX_ID_BYTES) {
    const hex = (bytes[start] as number).toString(16).padStart(2, '0');
    throw new MatroskaError('INVALID_ELEMENT_ID', 'element', offset, `0x${hex} starts no element ID`);
  }
  const sizeStart = start + idBytes;
  if (sizeStart >= end) return null;
  const id = readBigEndian(bytes, start, sizeStart);
  const sizeBytes = vintLength(bytes[sizeStart] as number);
  if (sizeBytes > 8) {
    throw new MatroskaError('INVALID_ELEMENT_SIZE', `0x${id.toString(16)}`, offset, 'no size after the ID');
  }
  if (sizeStart + sizeBytes > end) return null;
  const size = readVint(bytes, sizeStart, sizeBytes);
  if (size > Number.MAX_SAFE_INTEGER) {
    throw new MatroskaError('INVALID_ELEMENT_SIZE', `0x${id.toString(16)}`, offset, `${size} bytes`);
  }
  return { id, size, length: idBytes + sizeBytes };
}

/** Length of the vint that starts with this byte, 1-8; 9 for a zero byte, which starts none. */
export function vintLength(firstByte: number): number {
  return Math.clz32(firstByte) - 23;
}

/** Exact up to 2^53. Buffer's own methods take several times as long for so few bytes. */
export function readBigEndian(bytes: Buffer, start: number, end: number): number {
  let value = 0;
  for (let index = start; index < end; index += 1) value = value * 256 + (bytes[index] as number);
  return value;
}

/** Value of the vint without its length marker, or `UNKNOWN_SIZE` where all its bits are ones. */
export function readVint(bytes: Buffer, start: number, length: number): number {
  const first = bytes[start] as number;
  const mask = (1 << (8 - length)) - 1;
  let value = first & mask;
  let isAllOnes = value === mask;
  for (let index = start + 1; index < start + length; index += 1) {
    const byte = bytes[index] as number;
    value = value * 256 + byte;
    isAllOnes &&= byte === 0xff;
  }
  return isAllOnes ? UNKNOWN_SIZE : value;
}

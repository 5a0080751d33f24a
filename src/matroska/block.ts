import type { EbmlElement } from './ebml-reader.ts';
import { MatroskaError } from './error.ts';
import { readVint, UNKNOWN_SIZE, vintLength } from './header.ts';

/*
 * SimpleBlock and Block (RFC 9559, 10):
 *
 *   Block = TrackNumber(vint) Timestamp(int16, relative to the Cluster's) Flags(1 byte) [Lacing] Frame+
 *   Flags = 0x80 keyframe (SimpleBlock only), 0x08 invisible, 0x06 lacing, 0x01 discardable (SimpleBlock only)
 */

export const LACINGS = ['NO', 'XIPH', 'FIXED_SIZE', 'EBML'] as const;
export type Lacing = (typeof LACINGS)[number];

export interface BlockHeader {
  readonly trackNumber: number;
  /** Relative to the Cluster's timestamp, in units of TimestampScale. */
  readonly timecode: number;
  readonly keyFrame: boolean;
  readonly invisible: boolean;
  readonly discardable: boolean;
  readonly lacing: Lacing;
  /** Of the header, bytes. */
  readonly length: number;
}

/** Enough for any block's header: a track number of eight bytes, a timestamp of two, flags. */
export const MAX_BLOCK_HEADER_BYTES = 11;

/**
 * Reads the header of a block of `size` bytes, of which the first ones, enough for any header, are at `start`.
 *
 * @throws {MatroskaError} INVALID_BLOCK
 */
export function parseBlockHeader(
  element: EbmlElement,
  bytes: Buffer,
  start: number,
  size: number,
): BlockHeader {
  const trackBytes = size === 0 ? 9 : vintLength(bytes[start] as number);
  if (trackBytes > 8) throw invalid(element, 'it has no track number');
  const length = trackBytes + 3;
  if (length > size) throw invalid(element, `${size} bytes are too few for a block header`);
  const trackNumber = readVint(bytes, start, trackBytes);
  if (trackNumber === UNKNOWN_SIZE) throw invalid(element, 'it has no track number');
  const flags = bytes[start + trackBytes + 2] as number;
  return {
    trackNumber,
    timecode: bytes.readInt16BE(start + trackBytes),
    keyFrame: (flags & 0x80) !== 0,
    invisible: (flags & 0x08) !== 0,
    discardable: (flags & 0x01) !== 0,
    lacing: LACINGS[(flags & 0x06) >> 1] as Lacing,
    length,
  };
}

/**
 * The frames of a block, as views into its data.
 *
 * @param data the whole block, its header included
 * @throws {MatroskaError} INVALID_BLOCK where the sizes of its lacing contradict the data
 */
export function blockPayloads(element: EbmlElement, { lacing, length }: BlockHeader, data: Buffer): Buffer[] {
  const content = data.subarray(length);
  const payloads = lacing === 'NO' ? [content] : splitLaces(lacing, content);
  if (payloads !== null) return payloads;
  throw invalid(element, `the sizes of its ${lacing} lacing do not fit its ${data.length} bytes`);
}

export interface Block extends BlockHeader {
  readonly payloads: readonly Buffer[];
}

/** Header and frames of a block. @throws {MatroskaError} INVALID_BLOCK */
export function parseBlock(element: EbmlElement, data: Buffer): Block {
  const header = parseBlockHeader(element, data, 0, data.length);
  return { ...header, payloads: blockPayloads(element, header, data) };
}

function invalid({ name, start }: EbmlElement, problem: string): MatroskaError {
  return new MatroskaError('INVALID_BLOCK', name, start, problem);
}

/** Frames of a laced block (RFC 9559, 10.3); null where the sizes contradict the data. */
function splitLaces(lacing: Exclude<Lacing, 'NO'>, data: Buffer): Buffer[] | null {
  if (data.length === 0) return null;
  const count = (data[0] as number) + 1;
  const laces =
    lacing === 'FIXED_SIZE'
      ? fixedSizes(data, count)
      : (lacing === 'XIPH' ? xiphSizes : ebmlSizes)(data, count);
  if (laces === null) return null;
  let position = laces.position;
  const frames: Buffer[] = [];
  for (const size of laces.sizes) {
    if (size < 0 || position + size > data.length) return null;
    frames.push(data.subarray(position, position + size));
    position += size;
  }
  if (lacing !== 'FIXED_SIZE') frames.push(data.subarray(position));
  return frames;
}

/** The sizes of the frames (without the last, which takes the rest), and where the first frame starts. */
type Laces = { sizes: number[]; position: number } | null;

function fixedSizes(data: Buffer, count: number): Laces {
  const size = (data.length - 1) / count;
  // Frames of no bytes would be as many as anyone likes.
  return size > 0 && Number.isInteger(size) ? { sizes: Array<number>(count).fill(size), position: 1 } : null;
}

function xiphSizes(data: Buffer, count: number): Laces {
  const sizes: number[] = [];
  let position = 1;
  while (sizes.length < count - 1) {
    let size = 0;
    let byte: number | undefined;
    do {
      byte = data[position];
      if (byte === undefined) return null;
      size += byte;
      position += 1;
    } while (byte === 255);
    sizes.push(size);
  }
  return { sizes, position };
}

function ebmlSizes(data: Buffer, count: number): Laces {
  const sizes: number[] = [];
  let position = 1;
  while (sizes.length < count - 1) {
    const length = vintLength(data[position] ?? 0);
    if (length > 8 || position + length > data.length) return null;
    const value = readVint(data, position, length);
    // The first size stands as it is, every other as the signed difference to the one before.
    const bias = 2 ** (7 * length - 1) - 1;
    const previous = sizes.at(-1);
    if (value === UNKNOWN_SIZE) return null;
    sizes.push(previous === undefined ? value : previous + value - bias);
    position += length;
  }
  return { sizes, position };
}

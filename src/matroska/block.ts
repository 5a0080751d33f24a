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

export interface Block {
  readonly trackNumber: number;
  /** Relative to the Cluster's timestamp, in units of TimestampScale. */
  readonly timecode: number;
  readonly keyFrame: boolean;
  readonly invisible: boolean;
  readonly discardable: boolean;
  readonly lacing: Lacing;
  /** Views into the block's data. */
  readonly payloads: readonly Buffer[];
}

/** @throws {MatroskaError} INVALID_BLOCK */
export function parseBlock(element: EbmlElement, data: Buffer): Block {
  const fail = (problem: string) => new MatroskaError('INVALID_BLOCK', element.name, element.start, problem);
  const trackBytes = vintLength(data[0] ?? 0);
  if (trackBytes > 8) throw fail('it has no track number');
  if (trackBytes + 3 > data.length) throw fail(`${data.length} bytes are too few for a block header`);
  const trackNumber = readVint(data, 0, trackBytes);
  if (trackNumber === UNKNOWN_SIZE) throw fail('it has no track number');
  const flags = data[trackBytes + 2] as number;
  const lacing = LACINGS[(flags & 0x06) >> 1] as Lacing;
  const content = data.subarray(trackBytes + 3);
  const payloads = lacing === 'NO' ? [content] : splitLaces(lacing, content);
  if (payloads === null) throw fail(`the sizes of its ${lacing} lacing do not fit its ${data.length} bytes`);
  return {
    trackNumber,
    timecode: data.readInt16BE(trackBytes),
    keyFrame: (flags & 0x80) !== 0,
    invisible: (flags & 0x08) !== 0,
    discardable: (flags & 0x01) !== 0,
    lacing,
    payloads,
  };
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

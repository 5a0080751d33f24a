import type { EbmlElement } from './ebml-reader.ts';
import { MatroskaError } from './error.ts';
import { readBigEndian } from './header.ts';

/** Unsigned integer, big endian, 0-8 bytes. @throws {MatroskaError} INVALID_VALUE where no number holds it. */
export function readUnsigned(element: EbmlElement, data: Buffer): number {
  const fail = (problem: string) =>
    new MatroskaError('INVALID_VALUE', element.name, element.start, `${problem} no integer below 2^53`);
  if (data.length > 8) throw fail(`${data.length} bytes are`);
  const value = unsignedOf(data);
  if (!Number.isSafeInteger(value)) throw fail(`${value} is`);
  return value;
}

/** Rounded once, where it is above 2^53. @param data 0-8 bytes */
function unsignedOf(data: Buffer): number {
  const high = Math.max(data.length - 4, 0);
  return readBigEndian(data, 0, high) * 2 ** 32 + readBigEndian(data, high, data.length);
}

/** Floating-point number of 0, 4 or 8 bytes. @throws {MatroskaError} INVALID_VALUE for any other length. */
export function readFloat(element: EbmlElement, data: Buffer): number {
  if (data.length === 0) return 0;
  if (data.length !== 4 && data.length !== 8) {
    throw new MatroskaError('INVALID_VALUE', element.name, element.start, `a float of ${data.length} bytes`);
  }
  return data.length === 4 ? data.readFloatBE() : data.readDoubleBE();
}

/** Far more than any name, tag or codec ID has. */
const MAX_TEXT_BYTES = 4096;

/**
 * Text up to the first NUL, as producers pad strings with NULs (RFC 8794, 13 allows it); of a longer one the first
 * 4096 bytes.
 */
export function readString(data: Buffer): string {
  const text = data.length > MAX_TEXT_BYTES ? data.toString('utf8', 0, MAX_TEXT_BYTES) : data.toString();
  const end = text.indexOf('\0');
  return end === -1 ? text : text.slice(0, end);
}

/** Milliseconds from 1970 beyond which there is no Date. */
const MAX_TIME_MILLIS = 8.64e15;

export function isTime(millis: number): boolean {
  return Math.abs(millis) <= MAX_TIME_MILLIS;
}

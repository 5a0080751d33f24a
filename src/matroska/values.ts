import type { EbmlElement } from './ebml-reader.ts';
import { MatroskaError } from './error.ts';

/** Unsigned integer, big endian, 0-8 bytes. @throws {MatroskaError} INVALID_VALUE where no number holds it. */
export function readUnsigned(element: EbmlElement, data: Buffer): number {
  const fail = (problem: string) =>
    new MatroskaError('INVALID_VALUE', element.name, element.start, `${problem} no integer below 2^53`);
  if (data.length > 8) throw fail(`${data.length} bytes are`);
  const value = data.length === 0 ? 0 : unsignedOf(data);
  if (!Number.isSafeInteger(value)) throw fail(`${value} is`);
  return value;
}

/** Exact up to 2^53. @param data 1-8 bytes */
function unsignedOf(data: Buffer): number {
  const low = Math.min(data.length, 4);
  const high = data.length - low;
  return (high === 0 ? 0 : data.readUIntBE(0, high) * 2 ** 32) + data.readUIntBE(high, low);
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
  const end = data.indexOf(0);
  return data.toString('utf8', 0, Math.min(end === -1 ? data.length : end, MAX_TEXT_BYTES));
}

/** Milliseconds from 1970 beyond which there is no Date. */
const MAX_TIME_MILLIS = 8.64e15;

export function isTime(millis: number): boolean {
  return Math.abs(millis) <= MAX_TIME_MILLIS;
}

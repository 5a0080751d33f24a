import { tools } from 'ebml';
import type { EbmlElement } from './ebml-reader.ts';
import { MatroskaError } from './error.ts';

/** Unsigned integer, big endian, 0-8 bytes. @throws {MatroskaError} INVALID_VALUE where no number holds it. */
export function readUnsigned(element: EbmlElement, data: Buffer): number {
  // The package gives more than 6 bytes as hex text.
  const value = data.length === 0 ? 0 : tools.readUnsigned(data);
  const number = typeof value === 'string' ? Number(`0x${value}`) : value;
  if (data.length > 8 || !Number.isSafeInteger(number)) {
    throw new MatroskaError(
      'INVALID_VALUE',
      element.name,
      element.start,
      `${value} is no integer below 2^53`,
    );
  }
  return number;
}

/** Floating-point number of 0, 4 or 8 bytes. @throws {MatroskaError} INVALID_VALUE for any other length. */
export function readFloat(element: EbmlElement, data: Buffer): number {
  if (data.length === 0) return 0;
  if (data.length !== 4 && data.length !== 8) {
    throw new MatroskaError('INVALID_VALUE', element.name, element.start, `a float of ${data.length} bytes`);
  }
  return tools.readFloat(data);
}

/** Text up to the first NUL: producers pad strings with NULs (RFC 8794, 13 allows it). */
export function readString(data: Buffer): string {
  const end = data.indexOf(0);
  return tools.readUtf8(end === -1 ? data : data.subarray(0, end)) ?? '';
}

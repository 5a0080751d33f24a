import type { Frame } from 'node-av/lib';
import { KvsInferenceError } from '../core/errors.ts';
import { PictureEncoders } from './picture-encoders.ts';
import { type Encoding, type Size, sizeWithin, smallerEncoding } from './picture-size.ts';

export type PictureFormat = 'jpeg' | 'png' | 'bmp' | 'gif';

export interface PictureOptions {
  readonly format: PictureFormat;
  /** Pixels; a larger picture is made smaller, in its own aspect ratio. Null: no limit. */
  readonly maxWidth: number | null;
  readonly maxHeight: number | null;
  /** Of JPEG: 100 is FFmpeg's `-q:v 2`, 1 its `-q:v 31`. */
  readonly quality: number;
  /** A larger picture is encoded again, with less quality and then smaller. Null: no limit. */
  readonly maxBytes: number | null;
}

export interface Picture extends Size {
  readonly data: Buffer;
  /** How it was made to fit `maxBytes`; null where it did at once. */
  readonly reduced: Reduction | null;
}

/** What a picture was reduced to, and how many bytes it had before. */
export interface Reduction extends Encoding {
  readonly fromBytes: number;
}

const MAX_ENCODINGS = 8;

/**
 * Encodes a decoded frame as a picture within the limits of `options`.
 *
 * Pixels that are not square stay so, at any size: JPEG, PNG and GIF say what their aspect ratio is.
 *
 * @param encoders those that may be kept for another picture; default: none is
 * @throws {KvsInferenceError} ENCODE_FAILED, PAYLOAD_TOO_LARGE (it cannot be made to fit `maxBytes`)
 */
export async function encodePicture(
  frame: Frame,
  options: PictureOptions,
  encoders = new PictureEncoders(0),
): Promise<Picture> {
  const { format, maxWidth, maxHeight, quality, maxBytes } = options;
  const size = sizeWithin({ width: frame.width, height: frame.height }, maxWidth, maxHeight);
  let encoding: Encoding = { ...size, quality: format === 'jpeg' ? quality : null };
  let data = await encoders.encode(frame, format, encoding);
  const fromBytes = data.length;
  for (let encodings = 1; maxBytes !== null && data.length > maxBytes; encodings += 1) {
    const smaller = encodings < MAX_ENCODINGS ? smallerEncoding(encoding, data.length, maxBytes) : null;
    if (smaller === null) throw tooLarge(fromBytes, maxBytes, encoding, data.length);
    encoding = smaller;
    data = await encoders.encode(frame, format, encoding);
  }
  const reduced = data.length === fromBytes ? null : { ...encoding, fromBytes };
  return { data, width: encoding.width, height: encoding.height, reduced };
}

function tooLarge(fromBytes: number, maxBytes: number, last: Encoding, lastBytes: number): KvsInferenceError {
  return new KvsInferenceError(
    'PAYLOAD_TOO_LARGE',
    `a picture of ${fromBytes} bytes cannot be made to fit ${maxBytes}: ${last.width} x ${last.height} pixels still have ${lastBytes}`,
    { details: { fromBytes, maxBytes, width: last.width, height: last.height, bytes: lastBytes } },
  );
}

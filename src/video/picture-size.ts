/** Pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** How a frame is made a picture. */
export interface Encoding extends Size {
  /** 1 to 100; null where the format knows no quality. */
  readonly quality: number | null;
}

/** FFmpeg's quantiser scale of JPEG (`-q:v`), from the best to the worst. */
const MIN_QSCALE = 2;
const MAX_QSCALE = 31;
const MAX_QUALITY = 100;

/** A picture that is too large is not made worse than this before it is made smaller: models still see what is in it. */
const LEAST_QSCALE_TO_FIT = 12;
/** How the bytes of a JPEG fall as the quantiser scale rises: bytes ~ scale ^ -0.6; real pictures have 0.4 to 0.9. */
const QSCALE_EXPONENT = 0.6;
/** Below the estimate, as detail gets denser in a smaller picture. */
const SAFETY = 0.95;
/** Each time smaller by at least this much, where the estimate is wrong. */
const LEAST_SHRINKING = 0.9;

/** The largest size within the limits that has the aspect ratio; never larger than it is, at least 1 x 1. */
export function sizeWithin({ width, height }: Size, maxWidth: number | null, maxHeight: number | null): Size {
  const factor = Math.min(1, (maxWidth ?? width) / width, (maxHeight ?? height) / height);
  return {
    width: Math.max(1, Math.round(width * factor)),
    height: Math.max(1, Math.round(height * factor)),
  };
}

/** FFmpeg's quantiser scale: quality 100 is 2, 1 is 31. */
export function qscale(quality: number): number {
  const share = (MAX_QUALITY - quality) / (MAX_QUALITY - 1);
  return Math.round(MIN_QSCALE + share * (MAX_QSCALE - MIN_QSCALE));
}

/**
 * How to try again when a picture has come out at `bytes`, more than `maxBytes`: with less quality as far as that is
 * bearable, then smaller.
 *
 * @returns null where it cannot be made smaller
 */
export function smallerEncoding(encoding: Encoding, bytes: number, maxBytes: number): Encoding | null {
  const { width, height, quality } = encoding;
  const share = (maxBytes / bytes) * SAFETY;
  if (quality !== null && qscale(quality) < LEAST_QSCALE_TO_FIT) {
    const scale = Math.ceil(qscale(quality) * share ** (-1 / QSCALE_EXPONENT));
    return { width, height, quality: qualityOf(Math.min(scale, LEAST_QSCALE_TO_FIT)) };
  }
  if (width === 1 && height === 1) return null;
  const factor = Math.min(LEAST_SHRINKING, Math.sqrt(share));
  // Rounded down, or the smallest would stay as they are.
  return {
    width: Math.max(1, Math.floor(width * factor)),
    height: Math.max(1, Math.floor(height * factor)),
    quality,
  };
}

/** The best quality that has this quantiser scale. */
function qualityOf(scale: number): number {
  const share = (scale - MIN_QSCALE) / (MAX_QSCALE - MIN_QSCALE);
  return Math.round(MAX_QUALITY - share * (MAX_QUALITY - 1));
}

import fc from 'fast-check';
import { type Encoding, qscale, sizeWithin, smallerEncoding } from '../../src/video/picture-size.ts';

const pixels = fc.oneof(fc.integer({ min: 1, max: 8192 }), fc.integer({ min: 1, max: 10 }));
const limit = fc.option(fc.integer({ min: 1, max: 10_000 }));

test.each([
  ['no limit', 1920, 1080, null, null, 1920, 1080],
  ['wider than high', 1920, 1080, 640, 640, 640, 360],
  ['higher than wide', 1080, 1920, 640, 640, 360, 640],
  ['one limit alone', 1920, 1080, null, 540, 960, 540],
  ['already within', 320, 240, 640, 480, 320, 240],
  ['odd sizes', 641, 479, 321, null, 321, 240],
  ['a narrow strip', 4000, 10, 100, null, 100, 1],
])('%s', (_name, width, height, maxWidth, maxHeight, toWidth, toHeight) => {
  expect(sizeWithin({ width, height }, maxWidth, maxHeight)).toEqual({ width: toWidth, height: toHeight });
});

test('a size within limits keeps to them, to the aspect ratio, and never grows', () => {
  fc.assert(
    fc.property(pixels, pixels, limit, limit, (width, height, maxWidth, maxHeight) => {
      const size = sizeWithin({ width, height }, maxWidth, maxHeight);
      expect(size.width).toBeGreaterThanOrEqual(1);
      expect(size.height).toBeGreaterThanOrEqual(1);
      expect(size.width).toBeLessThanOrEqual(Math.min(width, maxWidth ?? width));
      expect(size.height).toBeLessThanOrEqual(Math.min(height, maxHeight ?? height));
      // Each side is rounded to a whole pixel.
      const factor = Math.min(1, (maxWidth ?? width) / width, (maxHeight ?? height) / height);
      expect(Math.abs(size.width - width * factor)).toBeLessThanOrEqual(1);
      expect(Math.abs(size.height - height * factor)).toBeLessThanOrEqual(1);
    }),
  );
});

test("quality 100 to 1 is all of FFmpeg's scale", () => {
  const scales = Array.from({ length: 100 }, (_, index) => qscale(100 - index));
  expect(new Set(scales)).toEqual(new Set(Array.from({ length: 30 }, (_, index) => index + 2)));
  expect(scales).toEqual(scales.toSorted((a, b) => a - b));
});

describe('a picture that is too large', () => {
  test('loses quality first, then size', () => {
    const full: Encoding = { width: 1920, height: 1080, quality: 100 };
    const first = smallerEncoding(full, 1_000_000, 700_000) as Encoding;
    expect(first).toEqual({ width: 1920, height: 1080, quality: expect.any(Number) });
    expect(qscale(first.quality as number)).toBe(4);
    const worst = smallerEncoding(full, 1_000_000, 10_000) as Encoding;
    expect(worst).toMatchObject({ width: 1920, height: 1080 });
    expect(qscale(worst.quality as number)).toBe(12);
    expect(smallerEncoding(worst, 40_000, 10_000)).toEqual({ ...worst, width: 935, height: 526 });
  });

  test('loses only size where it has no quality, or is of a bad one already', () => {
    const png: Encoding = { width: 1000, height: 500, quality: null };
    expect(smallerEncoding(png, 100_000, 25_000)).toEqual({ width: 487, height: 243, quality: null });
    const bad: Encoding = { width: 1000, height: 500, quality: 10 };
    expect(smallerEncoding(bad, 100_000, 25_000)).toEqual({ width: 487, height: 243, quality: 10 });
  });

  test('gets smaller every time, until it is a single pixel', () => {
    const quality = fc.option(fc.integer({ min: 1, max: 100 }));
    fc.assert(
      fc.property(
        pixels,
        pixels,
        quality,
        fc.double({ min: 0.001, max: 0.999, noNaN: true }),
        (width, height, from, share) => {
          const encoding = { width, height, quality: from };
          const smaller = smallerEncoding(encoding, 1_000_000, Math.floor(1_000_000 * share));
          if (smaller === null) {
            expect([width, height]).toEqual([1, 1]);
            return;
          }
          const size = (of: Encoding) => of.width * of.height;
          const lessQuality = from !== null && qscale(smaller.quality as number) > qscale(from);
          expect(lessQuality || size(smaller) < size(encoding)).toBe(true);
        },
      ),
    );
  });
});

import {
  decodePicture,
  MAX_BODY_BYTES,
  MAX_PIXELS,
  type Picture,
} from '../../../src/emulator/model/picture.ts';
import { blackBmp, CAR_JPEG, encode, PERSON_JPEG } from './pictures.ts';

/** Left half red, right half blue. */
const redAndBlue = (width: number, height: number): Picture => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, index) => {
    const x = Math.floor(index / 3) % width;
    return index % 3 === (x < width / 2 ? 0 : 2) ? 255 : 0;
  }),
});

const pixel = ({ width, data }: Picture, x: number, y: number) => {
  const offset = (y * width + x) * 3;
  return [...data.subarray(offset, offset + 3)].map((value) => Math.round(value / 255));
};

test.each(['png', 'bmp', 'gif'] as const)(
  '%s: colours stay where they are, the longer edge fits',
  async (format) => {
    const picture = await decodePicture(await encode(redAndBlue(80, 50), format), `image/${format}`, 64);
    expect([picture.width, picture.height, picture.data.length]).toEqual([64, 40, 64 * 40 * 3]);
    expect(pixel(picture, 5, 20)).toEqual([1, 0, 0]);
    expect(pixel(picture, 58, 20)).toEqual([0, 0, 1]);
  },
);

test('JPEG, wide and tall', async () => {
  expect(await decodePicture(CAR_JPEG, 'image/jpeg', 512)).toMatchObject({ width: 512, height: 340 });
  expect(await decodePicture(PERSON_JPEG, 'image/jpeg', 512)).toMatchObject({ width: 384, height: 512 });
});

test('application/x-image is whatever the body is', async () => {
  const png = await encode(redAndBlue(8, 8), 'png');
  expect(await decodePicture(png, 'application/x-image', 8)).toMatchObject({ width: 8, height: 8 });
});

test('an edge does not shrink to nothing', async () => {
  const png = await encode(redAndBlue(2000, 2), 'png');
  expect(await decodePicture(png, 'image/png', 64)).toMatchObject({ width: 64, height: 1 });
});

describe('is refused:', () => {
  test('a body that is no picture', async () => {
    const decoding = decodePicture(Buffer.from('hello'), 'application/x-image', 8);
    await expect(decoding).rejects.toMatchObject({
      statusCode: 400,
      message: 'The body (5 bytes) is none of JPEG, PNG, BMP, GIF, judged by its first bytes',
    });
  });

  test('a body that is not what its content type says', async () => {
    await expect(decodePicture(CAR_JPEG, 'image/png', 8)).rejects.toMatchObject({
      statusCode: 400,
      message: 'The Content-Type is image/png, but the body is image/jpeg',
    });
  });

  test('a content type that is no picture', async () => {
    await expect(decodePicture(CAR_JPEG, 'text/csv', 8)).rejects.toMatchObject({
      statusCode: 415,
      message: expect.stringMatching(/^The Content-Type is "text\/csv"; it must be one of image\/jpeg, /),
    });
  });

  test.each(['jpeg', 'png', 'bmp'] as const)('a %s that was cut off', async (format) => {
    const whole = format === 'jpeg' ? CAR_JPEG : await encode(redAndBlue(80, 50), format);
    const half = whole.subarray(0, whole.length / 2);
    await expect(decodePicture(half, `image/${format}`, 8)).rejects.toMatchObject({
      statusCode: 400,
      message: expect.stringMatching(/picture cannot be decoded: Invalid data/),
    });
  });

  test('dimensions beyond the limit, in a body within it', async () => {
    const large = blackBmp(5_760, 5_760);
    expect(large.length).toBeLessThan(MAX_BODY_BYTES);
    expect(5_760 * 5_760).toBe(MAX_PIXELS);
    expect(await decodePicture(large, 'image/bmp', 8)).toMatchObject({ width: 8, height: 8 });
    await expect(decodePicture(blackBmp(5_792, 5_760), 'image/bmp', 8)).rejects.toMatchObject({
      statusCode: 400,
      message: expect.stringContaining(`more than ${MAX_PIXELS} pixels`),
    });
  });
});

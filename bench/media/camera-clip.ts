import type { Frame } from 'node-av/lib';
import { makeVideo, type TestCodec, type Video } from '../../test/support/media.ts';
import { Random } from '../../test/support/random.ts';

export const FRAME_RATE = 30;
/** Frames from one key frame to the next: one fragment, a second. */
export const GOP = 30;
export const BIT_RATE = 4_000_000;

/** Side of the texture that the camera pans over, pixels. */
const TEXTURE = 2048;
/** From the coarsest to the finest, each with half the contrast: as in pictures of the world. */
const OCTAVES = 9;
const PIXELS_A_FRAME = 3;

/**
 * One fragment as a camera sends it: one second of 30 frames, 4 Mbit/s, one key frame. It is a slow pan over a texture
 * with detail at all scales, so that key frames are as large, and as much work, as those of a camera.
 */
export async function cameraClip(options: {
  codec: TestCodec & ('h264' | 'hevc');
  width: number;
  height: number;
}): Promise<Video> {
  const planes = [1, 2, 3].map((seed) => texture(new Random(seed)));
  return await makeVideo({
    ...options,
    frames: GOP,
    frameRate: FRAME_RATE,
    gop: GOP,
    bitRate: BIT_RATE,
    preset: 'veryfast',
    draw: (frame, index) => pan(frame, index, planes),
  });
}

function pan(frame: Frame, index: number, planes: readonly Uint8Array[]): void {
  const strides = frame.linesize;
  for (const [plane, data] of (frame.data ?? []).entries()) {
    const stride = strides[plane] ?? 0;
    const source = planes[plane] ?? new Uint8Array();
    for (let row = 0; row * stride < data.length; row += 1) {
      const start = ((row % TEXTURE) * TEXTURE + index * PIXELS_A_FRAME) % source.length;
      const line = source.subarray(start, start + Math.min(stride, data.length - row * stride));
      data.set(line, row * stride);
    }
  }
}

/** Value noise: random lattices, each twice as fine and half as strong as the one before. */
function texture(random: Random): Uint8Array {
  const sum = new Float32Array(TEXTURE * TEXTURE);
  for (let octave = 0; octave < OCTAVES; octave += 1) {
    const cells = 4 << octave;
    const lattice = Float32Array.from({ length: cells * cells }, () => random.float() - 0.5);
    const cell = TEXTURE / cells;
    const strength = 128 / 2 ** octave;
    for (let y = 0; y < TEXTURE; y += 1) {
      for (let x = 0; x < TEXTURE; x += 1) {
        const column = Math.floor(x / cell);
        const row = Math.floor(y / cell);
        const right = (x % cell) / cell;
        const down = (y % cell) / cell;
        const at = (dx: number, dy: number) =>
          lattice[((row + dy) % cells) * cells + ((column + dx) % cells)] ?? 0;
        const above = at(0, 0) * (1 - right) + at(1, 0) * right;
        const below = at(0, 1) * (1 - right) + at(1, 1) * right;
        sum[y * TEXTURE + x] = (sum[y * TEXTURE + x] ?? 0) + strength * (above * (1 - down) + below * down);
      }
    }
  }
  // Somewhat longer than the lines that are read from it.
  return Uint8Array.from(sum, (value) => Math.min(235, Math.max(16, Math.round(128 + value))));
}

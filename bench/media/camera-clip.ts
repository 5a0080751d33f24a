import type { Frame } from 'node-av/lib';
import { makeVideo, type TestCodec, type Video } from '../../test/support/media.ts';
import { Random } from '../../test/support/random.ts';

export const FRAME_RATE = 30;
/** Frames from one key frame to the next: one fragment, a second. */
const GOP = 30;
const BIT_RATE = 4_000_000;
/** In a single second the encoders do not come to what they are asked for. */
const ASKED_BIT_RATE = 1.45 * BIT_RATE;

/** Side of the texture that the camera pans over, pixels. */
const TEXTURE = 2048;
/** From the coarsest to the finest, each with less contrast: as in pictures of the world. */
const OCTAVES = 9;
const CONTRAST = 0.62;
/** What moves: a band in the middle, of this part of the height. */
const MOVING = 0.2;
const PIXELS_A_FRAME = 3;

/**
 * One fragment as a fixed camera sends it: one second of 30 frames, 4 Mbit/s, one key frame. The scene has detail at all
 * scales, and most of it stands still, so that key frames are as large, and as much work, as those of a camera.
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
    bitRate: ASKED_BIT_RATE,
    preset: 'veryfast',
    draw: (frame, index) => pan(frame, index, planes),
  });
}

function pan(frame: Frame, index: number, planes: readonly Uint8Array[]): void {
  const strides = frame.linesize;
  for (const [plane, data] of (frame.data ?? []).entries()) {
    const stride = strides[plane] ?? 0;
    const source = planes[plane] ?? new Uint8Array();
    const rows = Math.floor(data.length / stride);
    for (let row = 0; row < rows; row += 1) {
      const isMoving = Math.abs(row / rows - 0.5) < MOVING / 2;
      const start = (row % TEXTURE) * TEXTURE + (isMoving ? index * PIXELS_A_FRAME : 0);
      const line = source.subarray(start, start + stride);
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
    const strength = 128 * CONTRAST ** octave;
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
  return Uint8Array.from(sum, (value) => Math.min(235, Math.max(16, Math.round(128 + value))));
}

import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { deserialize } from 'node:v8';
import { PicturePool } from '../../src/video/picture-pool.ts';
import type { KeyFrame } from '../decode/key-frame.ts';

export interface PictureMillisOptions {
  /** A KeyFrame, as v8 serializes it. */
  readonly keyFrameFile: string;
  readonly pictures: number;
  /** From the start of one to that of the next: as a worker gets them, as what lies between cools the caches. */
  readonly paceMillis: number;
}

/** By the defaults of the configuration. */
const PICTURE = { format: 'jpeg', maxWidth: null, maxHeight: null, quality: 100, maxBytes: null } as const;
const WARM_UP = 5;

/** @returns how long the worker's own way from the key frame to its JPEG takes, each time: milliseconds */
export async function run({ keyFrameFile, pictures, paceMillis }: PictureMillisOptions): Promise<number[]> {
  const { parameters, payload } = deserialize(readFileSync(keyFrameFile)) as KeyFrame;
  const pool = new PicturePool(1);
  const millis: number[] = [];
  for (let count = 0; count < WARM_UP + pictures; count += 1) {
    const since = performance.now();
    await pool.picture(parameters, payload, PICTURE);
    const taken = performance.now() - since;
    if (count >= WARM_UP) millis.push(taken);
    await delay(Math.max(0, paceMillis - taken));
  }
  return millis;
}

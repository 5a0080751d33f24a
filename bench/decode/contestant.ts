import { readFileSync, writeFileSync } from 'node:fs';
import { deserialize } from 'node:v8';
import { ownUsage } from '../harness/child.ts';
import { maker, type Task } from './contestants.ts';
import type { KeyFrame } from './key-frame.ts';

export interface DecodeOptions {
  readonly task: Task;
  /** A KeyFrame, as v8 serializes it. */
  readonly keyFrameFile: string;
  /** Where the last picture goes. */
  readonly pictureFile: string;
  readonly pictures: number;
}

export interface DecodeResult {
  /** Of this process, for each picture. */
  readonly cpuMillis: number;
  readonly bytes: number;
}

/** Code is compiled first, and each thread of the pool finds its memory: pictures for each one that counts. */
const WARM_UP = 0.5;

/** Makes the same picture again and again, one at a time. */
export async function run(options: DecodeOptions): Promise<DecodeResult> {
  const keyFrame = deserialize(readFileSync(options.keyFrameFile)) as KeyFrame;
  const make = await maker(keyFrame, options.task);
  let picture: Buffer = Buffer.alloc(0);
  for (let warm = 0; warm < WARM_UP * options.pictures; warm += 1) picture = await make();
  const before = ownUsage().cpuSeconds;
  for (let count = 0; count < options.pictures; count += 1) {
    const { length } = picture;
    picture = await make();
    // GIF's is dithered.
    if (picture.length !== length && options.task.format !== 'gif') throw new Error('pictures differ');
  }
  const { cpuSeconds } = ownUsage();
  writeFileSync(options.pictureFile, picture);
  return {
    cpuMillis: ((cpuSeconds - before) / options.pictures) * 1000,
    bytes: picture.length,
  };
}

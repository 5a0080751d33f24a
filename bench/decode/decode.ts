import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { deserialize } from 'node:v8';
import type { PictureFormat } from '../../src/video/encoder.ts';
import { makeVideo } from '../../test/support/media.ts';
import {
  atMost,
  type BenchCase,
  type CaseOptions,
  type CaseResult,
  type Cell,
  type Target,
} from '../harness/bench-case.ts';
import { inChild } from '../harness/child.ts';
import { IMAGE_ENVIRONMENT, IMAGE_NODE_FLAGS } from '../harness/image.ts';
import { ffmpegVersion } from '../harness/machine.ts';
import { type Measured, measured, ratio } from '../harness/measured.ts';
import { alternate } from '../harness/rounds.ts';
import { cameraClip } from '../media/camera-clip.ts';
import type { DecodeOptions, DecodeResult } from './contestant.ts';
import type { FrameContestant, Task } from './contestants.ts';
import { ffmpegProgram, writeKeyFrames } from './ffmpeg-program.ts';
import { type KeyFrame, keyFrameBytes } from './key-frame.ts';
import { checkPicture } from './same-picture.ts';

const OURS = 'kvs-inference';
const LIMIT = 'node-av';
const PROGRAM = 'ffmpeg';

const CODECS = { 'H.264': 'h264', 'H.265': 'hevc' } as const;
const SIZES = { '720p': { width: 1280, height: 720 }, '1080p': { width: 1920, height: 1080 } } as const;
/** Of the key frame's JPEG; in half a second or more, so that the clock's steps do not tell. */
const PICTURES = 40;
/** Of the other formats, which take longer or shorter. */
const FRAME_PICTURES = { png: 8, bmp: 40, gif: 8 } as const;
/** sharp finds the colours for GIF anew in each picture. */
const FORMATS: Readonly<Record<'png' | 'bmp' | 'gif', readonly FrameContestant[]>> = {
  png: [OURS, LIMIT, 'sharp', 'sharp, no filter'],
  bmp: [OURS, LIMIT],
  gif: [OURS, LIMIT, 'sharp'],
};
/** A peer that writes so much more than ours has not done the same work. */
const MOST_BYTES = 1.1;

export const decode: BenchCase = {
  name: 'decode',
  description: 'a key frame to its picture; beside FFmpeg itself in one thread, and sharp',
  run: async (options) => await measure(new Rig(options)),
};

/** A clip on disk, as the contestants read it. */
interface Clip {
  readonly name: string;
  readonly keyFrameFile: string;
  /** For the ffmpeg program. */
  readonly matroskaFile: string;
  readonly payloadBytes: number;
}

class Rig {
  readonly options: CaseOptions;
  readonly pictures: number;
  readonly #folder: string;

  constructor(options: CaseOptions) {
    this.#folder = options.folder;
    this.options = options;
    this.pictures = options.quick ? 3 : PICTURES;
  }

  async clip(codec: keyof typeof CODECS, size: keyof typeof SIZES): Promise<Clip> {
    const name = `${codec} ${size}`;
    this.options.progress(`making the video: ${name}`);
    const video = this.options.quick
      ? await makeVideo({ codec: CODECS[codec], width: 320, height: 180, frames: 1 })
      : await cameraClip({ codec: CODECS[codec], ...SIZES[size] });
    const keyFrameFile = join(this.#folder, `${name}.key-frame`);
    await writeFile(keyFrameFile, keyFrameBytes(video));
    const matroskaFile = join(this.#folder, `${name}.mkv`);
    // More than are read.
    await writeKeyFrames(video, matroskaFile, 2 * PICTURES);
    return { name, keyFrameFile, matroskaFile, payloadBytes: video.frames[0]?.payload.length ?? 0 };
  }

  async make(clip: Clip, task: Task, pictures: number): Promise<DecodeResult> {
    const pictureFile = join(this.#folder, 'picture');
    const { keyFrameFile } = clip;
    // The worker sets the threads at its start; Node.js 20 needs them from outside.
    const env = { ...IMAGE_ENVIRONMENT, UV_THREADPOOL_SIZE: String(availableParallelism() + 4) };
    const options = { task, keyFrameFile, pictureFile, pictures } satisfies DecodeOptions;
    const inImage = { ...this.options, env, nodeFlags: IMAGE_NODE_FLAGS };
    const result = await inChild<DecodeResult>('decode', options, inImage);
    await this.#check(clip, task.format, pictureFile);
    return result;
  }

  async program(clip: Clip): Promise<DecodeResult> {
    const pictureFile = join(this.#folder, 'picture.jpg');
    const { signal } = this.options;
    const result = await ffmpegProgram(clip.matroskaFile, { pictures: this.pictures, pictureFile, signal });
    await this.#check(clip, 'jpeg', pictureFile);
    return result;
  }

  async #check(clip: Clip, format: PictureFormat, pictureFile: string): Promise<void> {
    const keyFrame = deserialize(await readFile(clip.keyFrameFile)) as KeyFrame;
    checkPicture(await readFile(pictureFile), format, keyFrame);
  }
}

async function measure(rig: Rig): Promise<CaseResult> {
  const rows: Cell[][] = [];
  const targets: Target[] = [];
  const clips = new Map<string, Clip>();
  for (const codec of rig.options.quick ? (['H.264'] as const) : (['H.264', 'H.265'] as const)) {
    for (const size of rig.options.quick ? (['720p'] as const) : (['720p', '1080p'] as const)) {
      const clip = await rig.clip(codec, size);
      clips.set(clip.name, clip);
      const jpegs = await jpeg(rig, clip);
      rows.push(jpegs.row);
      targets.push(...jpegs.targets);
    }
  }
  const clip = clips.get('H.264 1080p') ?? [...clips.values()][0];
  if (clip === undefined) throw new Error('no clip');
  const others = await otherFormats(rig, clip);
  return {
    tables: [
      {
        caption: 'key frame → JPEG, CPU milliseconds',
        columns: [
          { title: 'key frame' },
          { title: 'KB', digits: 0 },
          { title: OURS },
          { title: 'FFmpeg (node-av)' },
          { title: 'ours ×' },
          { title: 'FFmpeg (ffmpeg)' },
          { title: 'ours ×' },
        ],
        rows,
      },
      {
        caption: `decoded frame (${clip.name}) → picture, CPU milliseconds, with the conversion to RGB`,
        columns: [
          { title: 'format, by' },
          { title: 'ms', digits: 1 },
          { title: 'KB', digits: 0 },
          { title: 'ours ×' },
        ],
        rows: others.rows,
      },
    ],
    targets: [...targets, ...others.targets],
    notes: [
      `The limit is the FFmpeg in node-av, the same build as ours: its contexts are opened once and kept for all frames, all calls are synchronous. Both run as the worker does in its image. The ffmpeg program is another build, with Matroska to read, and its start is not counted.`,
      `sharp is given RGB by that FFmpeg, in the fastest way there is; it writes no BMP. Compression level 1 of PNG is not the same in both: only peers whose files are at most ${Math.round((MOST_BYTES - 1) * 100)} % larger than ours count for the target.`,
    ],
  };
}

async function jpeg(rig: Rig, clip: Clip): Promise<{ row: Cell[]; targets: Target[] }> {
  const run = (contestant: typeof OURS | typeof LIMIT) => () =>
    rig.make(clip, { from: 'keyFrame', contestant, format: 'jpeg' }, rig.pictures);
  const hasProgram = ffmpegVersion() !== null;
  const all = await alternate<string, DecodeResult>(
    {
      [`${OURS} ${clip.name}`]: run(OURS),
      [`${LIMIT} ${clip.name}`]: run(LIMIT),
      ...(hasProgram ? { [`${PROGRAM} ${clip.name}`]: () => rig.program(clip) } : {}),
    },
    rig.options,
  );
  const of = (name: string) => all[`${name} ${clip.name}`] ?? [];
  const [ours, limit] = [cpuMillis(of(OURS)), cpuMillis(of(LIMIT))];
  const program = hasProgram ? cpuMillis(of(PROGRAM)) : null;
  const toLimit = ratio(ours, limit);
  const toProgram = program === null ? null : ratio(ours, program);
  const reaches = (what: string, figure: Measured) =>
    atMost(1.05, `${clip.name} to JPEG, times ${what}`, figure);
  return {
    row: [clip.name, clip.payloadBytes / 1000, ours, limit, toLimit, program, toProgram],
    targets: [
      ...(toProgram === null ? [] : [reaches('the ffmpeg program', toProgram)]),
      reaches('the library with contexts that are kept', toLimit),
    ],
  };
}

async function otherFormats(rig: Rig, clip: Clip): Promise<{ rows: Cell[][]; targets: Target[] }> {
  const rows: Cell[][] = [];
  const targets: Target[] = [];
  for (const format of ['png', 'bmp', 'gif'] as const) {
    const pictures = rig.options.quick ? 1 : FRAME_PICTURES[format];
    const run = (contestant: FrameContestant) => () =>
      rig.make(clip, { from: 'frame', contestant, format }, pictures);
    const all = await alternate<string, DecodeResult>(
      Object.fromEntries(FORMATS[format].map((name) => [`${format}, ${name}`, run(name)])),
      rig.options,
    );
    const of = (name: FrameContestant) => all[`${format}, ${name}`] ?? [];
    const ours = cpuMillis(of(OURS));
    const mostBytes = MOST_BYTES * (of(OURS)[0]?.bytes ?? 0);
    const equals: Measured[] = [];
    for (const name of FORMATS[format]) {
      const bytes = of(name)[0]?.bytes ?? 0;
      const times = name === OURS ? null : ratio(ours, cpuMillis(of(name)));
      if (times !== null && bytes <= mostBytes) equals.push(times);
      rows.push([`${format}, ${name}`, cpuMillis(of(name)), bytes / 1000, times]);
    }
    const hardest = equals.sort((a, b) => b.median - a.median)[0];
    if (hardest !== undefined) targets.push(atMost(1, `${format}, times the best peer's CPU time`, hardest));
  }
  return { rows, targets };
}

function cpuMillis(results: readonly DecodeResult[]): Measured {
  return measured(results.map((result) => result.cpuMillis));
}

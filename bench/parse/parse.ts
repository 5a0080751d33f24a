import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Video } from '../../test/support/media.ts';
import {
  atLeast,
  atMost,
  type BenchCase,
  type CaseOptions,
  type CaseResult,
  type Cell,
} from '../harness/bench-case.ts';
import { inChild } from '../harness/child.ts';
import { type Measured, measured, ratio } from '../harness/measured.ts';
import { alternate } from '../harness/rounds.ts';
import { cameraClip } from '../media/camera-clip.ts';
import { framesOf, getMediaBody, ofFrameBytes, trackOf } from '../media/get-media-body.ts';
import type { ParseOptions, ParseResult } from './contestant.ts';
import { ffmpegDemuxer } from './ffmpeg.ts';
import type { MemoryOptions } from './memory.ts';
import type { ParserName } from './parsers.ts';

const KIB = 1024;
const LARGE_CHUNK = 64 * KIB;
const SMALL_CHUNK = 16 * KIB;
const FRAME_BYTES = [16 * KIB, 64 * KIB, 256 * KIB, 1024 * KIB, 4096 * KIB];
const OURS = 'kvs-inference';
const AS_WORKER = 'as the worker reads';
const PARSERS: readonly ParserName[] = [
  'memcpy',
  OURS,
  AS_WORKER,
  ...(['ebml', 'ts-ebml', 'ebml-stream', 'mediabunny'] as const),
];
const BYTES = 200_000_000;
const QUICK_BYTES = 4_000_000;

interface Files {
  /** What GetMedia sends of a camera. */
  readonly camera: string;
  readonly oneFragment: string;
  /** Frames all of one size, by that. */
  readonly bySize: ReadonlyMap<number, string>;
}

export const parse: BenchCase = {
  name: 'parse',
  description:
    'Matroska as GetMedia sends it, to frames; beside memcpy, FFmpeg and the packages for Matroska',
  async run(options) {
    options.progress('making the video');
    const clip = await cameraClip({ codec: 'h264', width: 1920, height: 1080 });
    const files = await writeFiles(options.folder, clip, options.quick ? QUICK_BYTES : BYTES);
    return await measure(files, options);
  },
};

async function writeFiles(folder: string, clip: Video, bytes: number): Promise<Files> {
  const frames = framesOf(clip);
  const write = async (name: string, someFrames: typeof frames, minBytes: number) => {
    const file = join(folder, `${name}.mkv`);
    const body = getMediaBody(trackOf(clip), someFrames, minBytes);
    await pipeline(Readable.from(body), createWriteStream(file));
    return file;
  };
  const bySize = new Map<number, string>();
  for (const size of FRAME_BYTES) {
    bySize.set(size, await write(`frames-of-${size}`, ofFrameBytes(frames, size), bytes));
  }
  return {
    camera: await write('camera', frames, bytes),
    oneFragment: await write('one-fragment', frames, 1),
    bySize,
  };
}

async function measure({ camera, oneFragment, bySize }: Files, options: CaseOptions): Promise<CaseResult> {
  const { size } = await stat(camera);
  const run = (parser: ParserName, file: string, chunkBytes: number) => {
    const parsing: ParseOptions = { parser, file, chunkBytes, quick: options.quick };
    return inChild<ParseResult>('parse', parsing, options);
  };
  const ffmpeg = ffmpegDemuxer(options);
  const sizeName = (frameBytes: number) => `frames of ${frameBytes / KIB} KiB`;
  const chunkName = (parser: string, chunkBytes: number) => `${parser}, chunks of ${chunkBytes / KIB} KiB`;
  const contestants: Array<readonly [string, () => Promise<ParseResult>]> = [
    ...[LARGE_CHUNK, SMALL_CHUNK].flatMap((chunkBytes) =>
      PARSERS.map((parser) => {
        const name = chunkName(parser, chunkBytes);
        return [name, () => run(parser, camera, chunkBytes)] as const;
      }),
    ),
    ...[...bySize].map(([frameBytes, file]) => {
      return [sizeName(frameBytes), () => run(OURS, file, LARGE_CHUNK)] as const;
    }),
    [
      ffmpeg.name,
      async () => {
        const bytesPerCpuSecond = size / (await ffmpeg.seconds(camera, oneFragment));
        return { bytesPerCpuSecond, frames: null, failure: null };
      },
    ],
  ];
  const all = await alternate<string, ParseResult>(Object.fromEntries(contestants), options);
  const memory: MemoryOptions = { file: camera, chunkBytes: LARGE_CHUNK };
  const peaks = await alternate({ peak: () => inChild<number>('parse-memory', memory, options) }, options);

  const speed = (name: string): Measured =>
    measured((all[name] ?? []).map(({ bytesPerCpuSecond }) => bytesPerCpuSecond / 1e9));
  const speedOf = (parser: ParserName, chunkBytes: number) => speed(chunkName(parser, chunkBytes));
  const ours = speedOf(OURS, LARGE_CHUNK);
  const asWorker = speedOf(AS_WORKER, LARGE_CHUNK);
  const memcpy = speedOf('memcpy', LARGE_CHUNK);
  const outcome = (parser: ParserName): Cell => {
    const last = all[chunkName(parser, LARGE_CHUNK)]?.at(-1);
    return last?.failure ?? (last?.frames == null ? null : String(last.frames));
  };
  for (const parser of [OURS, AS_WORKER] as const) {
    // One that every parser of Matroska finds right.
    if (outcome(parser) !== outcome('mediabunny')) throw new Error(`${outcome(parser)} frames by ${parser}`);
  }
  return {
    tables: [
      {
        caption: `${Math.round(size / 1e6)} MB of 1080p30 H.264 of 4 Mbit/s, GB per CPU second`,
        columns: [
          { title: 'parser' },
          { title: 'chunks of 64 KiB' },
          { title: 'of 16 KiB' },
          { title: `${OURS} is as fast, times` },
          { title: 'frames' },
        ],
        rows: [
          ...PARSERS.map((parser) => [
            parser === OURS ? `**${OURS}**, every frame` : parser,
            speedOf(parser, LARGE_CHUNK),
            speedOf(parser, SMALL_CHUNK),
            parser === OURS || parser === AS_WORKER ? null : ratio(ours, speedOf(parser, LARGE_CHUNK)),
            outcome(parser),
          ]),
          [ffmpeg.name, speed(ffmpeg.name), null, ratio(ours, speed(ffmpeg.name)), null],
        ],
      },
      {
        caption: `${OURS}, every frame, by the size of the frames: chunks of 64 KiB, GB per CPU second`,
        columns: [{ title: 'frame' }, { title: 'GB/s' }],
        rows: [...bySize.keys()].map((bytes) => [`${bytes / KIB} KiB`, speed(sizeName(bytes))]),
      },
    ],
    targets: [
      atLeast(1, `every frame, times ${ffmpeg.name}`, ratio(ours, speed(ffmpeg.name))),
      atLeast(0.5, 'as the worker reads, of memcpy', ratio(asWorker, memcpy)),
      atLeast(0.5, 'every frame, of memcpy', ratio(ours, memcpy)),
      atLeast(0.8, 'every frame, chunks of 16 KiB, of 64 KiB', ratio(speedOf(OURS, SMALL_CHUNK), ours)),
      atLeast(
        0.9,
        'every frame, frames of 4 MiB, of 64 KiB',
        ratio(speed(sizeName(4096 * KIB)), speed(sizeName(64 * KIB))),
      ),
      atMost(100, 'peak of memory, MB', measured(peaks.peak.map((bytes) => bytes / 1e6))),
    ],
    notes: [
      'Memcpy copies each chunk into the memory of one chunk, which stays in the cache. As the worker reads: all frames are counted, the payloads of each sixth key frame are read. A frame that no chunk holds alone has to be copied: with chunks of 64 KiB these have half of the bytes, with chunks of 16 KiB nine tenths. A parser that is slower than 50 MB/s is stopped after four CPU seconds, so its frames are fewer.',
    ],
  };
}

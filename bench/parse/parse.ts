import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import type { SourceFrame } from '../../src/emulator/camera/video-source.ts';
import {
  atLeast,
  atMost,
  type BenchCase,
  type CaseOptions,
  type CaseResult,
  type Table,
} from '../harness/bench-case.ts';
import { inChild } from '../harness/child.ts';
import { ffmpegVersion } from '../harness/machine.ts';
import { type Measured, measured, ratio } from '../harness/measured.ts';
import { alternate } from '../harness/rounds.ts';
import { cameraClip } from '../media/camera-clip.ts';
import { framesOf, getMediaBody, ofFrameBytes, trackOf } from '../media/get-media-body.ts';
import type { ParseOptions, ParseResult } from './contestant.ts';
import type { MemoryOptions } from './memory.ts';
import type { ParserName } from './parsers.ts';

const execute = promisify(execFile);
const KIB = 1024;
const CHUNKS = [64 * KIB, 16 * KIB];
const [LARGE_CHUNK, SMALL_CHUNK] = CHUNKS as [number, number];
const FRAME_BYTES = [16, 64, 256, 1024, 4096].map((kibibytes) => kibibytes * KIB);
const OURS = 'kvs-inference';
const PEERS = ['ebml', 'ts-ebml', 'ebml-stream', 'mediabunny'] as const satisfies ParserName[];

export const parse: BenchCase = {
  name: 'parse',
  description:
    'Matroska as GetMedia sends it, to frames; beside memcpy, FFmpeg and the packages for Matroska',
  async run(options) {
    const folder = await mkdtemp(join(tmpdir(), 'kvs-inference-bench-'));
    try {
      return await measure(folder, options);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

async function measure(folder: string, options: CaseOptions): Promise<CaseResult> {
  const bytes = options.quick ? 4_000_000 : 200_000_000;
  options.progress('making the video');
  const clip = await cameraClip({ codec: 'h264', width: 1920, height: 1080 });
  const track = trackOf(clip);
  const write = async (name: string, frames: readonly SourceFrame[], minBytes: number) => {
    const file = join(folder, name);
    await pipeline(Readable.from(getMediaBody(track, frames, minBytes)), createWriteStream(file));
    return file;
  };
  const camera = await write('camera.mkv', framesOf(clip), bytes);
  const oneFragment = await write('one-fragment.mkv', framesOf(clip), 1);
  const run = (parser: ParserName, file: string, chunkBytes: number) =>
    inChild<ParseResult>(
      'parse',
      { parser, file, chunkBytes, bytes: 5 * bytes } satisfies ParseOptions,
      options,
    );

  const contestants = Object.fromEntries(
    CHUNKS.flatMap((chunkBytes) =>
      (['memcpy', OURS, ...PEERS] as const).map((parser) => [
        `${parser} ${chunkBytes / KIB} KiB`,
        () => run(parser, camera, chunkBytes),
      ]),
    ),
  );
  const ffmpeg = ffmpegVersion() === null ? 'node-av' : 'ffmpeg';
  const demux =
    ffmpeg === 'ffmpeg' ? ffmpegDemux : (file: string) => inChild<number>('demux', { file }, options);
  const size = (await stat(camera)).size;
  const all = await alternate<string, ParseResult>(
    {
      ...contestants,
      // Its start is not what it is measured by.
      [ffmpeg]: async () => {
        const seconds = (await demux(camera)) - (await demux(oneFragment));
        return { bytesPerCpuSecond: size / seconds, frames: null, failure: null };
      },
    },
    options,
  );
  const speed = (name: string): Measured =>
    measured((all[name] ?? []).map(({ bytesPerCpuSecond }) => bytesPerCpuSecond / 1e9));
  const [large, small] = [`${LARGE_CHUNK / KIB} KiB`, `${SMALL_CHUNK / KIB} KiB`];
  const ours = speed(`${OURS} ${large}`);

  const bySize: Record<number, Measured> = {};
  for (const frameBytes of FRAME_BYTES) {
    const file = await write('frames.mkv', ofFrameBytes(framesOf(clip), frameBytes), bytes);
    const results = await alternate({ [OURS]: () => run(OURS, file, LARGE_CHUNK) }, options);
    bySize[frameBytes] = measured((results[OURS] ?? []).map((result) => result.bytesPerCpuSecond / 1e9));
  }
  const memoryOptions: MemoryOptions = { file: camera, chunkBytes: LARGE_CHUNK };
  const peaks = await alternate(
    { [OURS]: () => inChild<number>('parse-memory', memoryOptions, options) },
    options,
  );
  const peakMegabytes = measured((peaks[OURS] ?? []).map((peakBytes) => peakBytes / 1e6));

  const rows = ['memcpy', OURS, ...PEERS].map((parser) => {
    const last = all[`${parser} ${large}`]?.at(-1);
    const figures = [large, small].map((chunk) => speed(`${parser} ${chunk}`));
    const times = ratio(ours, speed(`${parser} ${large}`));
    return [parser, ...figures, times, last?.failure ?? (last?.frames == null ? null : String(last.frames))];
  });
  const tables: Table[] = [
    {
      caption: `${Math.round(size / 1e6)} MB of 1080p30 H.264 of 4 Mbit/s, GB per CPU second; ${(size / clip.frames.length / 1e6).toFixed(0)}`,
      columns: [
        { title: 'parser' },
        { title: large },
        { title: small },
        { title: 'ours is faster by' },
        { title: 'frames' },
      ],
      rows: [...rows, [ffmpeg, speed(ffmpeg), null, ratio(ours, speed(ffmpeg)), null]],
    },
    {
      caption: 'ours by the size of the frames, chunks of 64 KiB, GB per CPU second',
      columns: [{ title: 'frame' }, { title: 'GB/s' }],
      rows: FRAME_BYTES.map((frameBytes) => [`${frameBytes / KIB} KiB`, bySize[frameBytes] ?? null]),
    },
  ];
  return {
    tables,
    targets: [
      atLeast(1, `${ffmpeg}'s demuxer, times as fast`, ratio(ours, speed(ffmpeg))),
      atLeast(0.5, 'of memcpy at 64 KiB', ratio(ours, speed(`memcpy ${large}`))),
      atLeast(0.8, 'at 16 KiB, of that at 64 KiB', ratio(speed(`${OURS} ${small}`), ours)),
      atLeast(
        0.9,
        'with frames of 4 MiB, of that with 64 KiB',
        ratio(bySize[4096 * KIB] as Measured, bySize[64 * KIB] as Measured),
      ),
      atMost(100, 'peak of memory, MB', peakMegabytes),
    ],
    notes: [],
  };
}

/** CPU seconds. */
async function ffmpegDemux(file: string): Promise<number> {
  const args = [
    '-nostdin',
    '-hide_banner',
    '-benchmark',
    '-i',
    file,
    '-map',
    '0',
    '-c',
    'copy',
    '-f',
    'null',
    '-',
  ];
  const { stderr } = await execute('ffmpeg', args);
  const [, user, system] = /bench: utime=([\d.]+)s stime=([\d.]+)s/.exec(stderr) ?? [];
  return Number(user) + Number(system);
}

import {
  atLeast,
  atMost,
  type BenchCase,
  type CaseOptions,
  type CaseResult,
  type Cell,
} from '../harness/bench-case.ts';
import { type Measured, measured, ratio } from '../harness/measured.ts';
import type { Clip } from './cameras.ts';
import { demuxLimit, pictureLimit, writeKeyFrame } from './limits.ts';
import { h264Clip, type LoadResult, measureLoad } from './load.ts';

const SIZES = {
  '1080p': { width: 1920, height: 1080 },
  '720p': { width: 1280, height: 720 },
  '360p': { width: 640, height: 360 },
};

interface Row {
  readonly video: keyof typeof SIZES;
  readonly inferenceInterval: number;
  readonly streams: number;
  readonly tls: boolean;
  readonly seconds: number;
  /** For how long the bytes are only read, at the end. */
  readonly readOnlySeconds: number;
}

/** The first is what the targets are for. */
const ROWS: readonly Row[] = [
  { video: '1080p', inferenceInterval: 6, streams: 50, tls: true, seconds: 60, readOnlySeconds: 10 },
  { video: '1080p', inferenceInterval: 6, streams: 50, tls: false, seconds: 30, readOnlySeconds: 10 },
  { video: '720p', inferenceInterval: 6, streams: 50, tls: true, seconds: 24, readOnlySeconds: 0 },
  { video: '1080p', inferenceInterval: 30, streams: 50, tls: true, seconds: 30, readOnlySeconds: 0 },
  { video: '1080p', inferenceInterval: 1, streams: 12, tls: true, seconds: 18, readOnlySeconds: 0 },
];
const QUICK_ROWS: readonly Row[] = [
  { video: '360p', inferenceInterval: 1, streams: 2, tls: true, seconds: 2, readOnlySeconds: 1 },
];
const SETTLING_MILLIS = 5000;
const WORKER_BYTES = 150e6;
const STREAM_BYTES = 1.5e6;

interface Media {
  readonly clip: Clip;
  readonly keyFrameFile: string;
  readonly demuxSecondsPerByte: number;
}

interface Result {
  readonly row: Row;
  readonly result: LoadResult;
  /** Of FFmpeg for one key frame, CPU seconds. */
  readonly picture: Measured;
  /** CPU seconds for each second of a stream, as these two. */
  readonly limit: Measured;
  readonly cpu: Measured;
}

export const pipeline: BenchCase = {
  name: 'pipeline',
  description:
    'what a live stream costs a worker, from GetMedia to PutRecords; beside demuxing and decoding alone',
  needsLinux: true,
  run: measure,
};

async function measure(options: CaseOptions): Promise<CaseResult> {
  const { quick, folder, progress, signal, rounds } = options;
  const media = new Map<Row['video'], Media>();
  const rows = quick ? QUICK_ROWS : ROWS;
  for (const video of new Set(rows.map((row) => row.video))) {
    progress(`making the video and demuxing it: ${video}`);
    const clip = await h264Clip(SIZES[video]);
    const keyFrameFile = await writeKeyFrame(clip, folder);
    media.set(video, { clip, keyFrameFile, demuxSecondsPerByte: await demuxLimit(clip, folder, options) });
  }
  const results: Result[] = [];
  for (const row of rows) {
    const { video, seconds, readOnlySeconds, ...load } = row;
    progress(
      `${row.streams} streams of ${video}, interval ${row.inferenceInterval}, ${row.tls ? 'TLS' : 'HTTP'}`,
    );
    const { clip, keyFrameFile, demuxSecondsPerByte } = media.get(video) as Media;
    const pictures: number[] = [];
    const result = await measureLoad({
      ...load,
      clip,
      folder,
      signal,
      settlingMillis: quick ? 500 : SETTLING_MILLIS,
      windows: rounds,
      readOnlyMillis: readOnlySeconds * 1000,
      windowMillis: (seconds * 1000) / rounds,
      afterWindow: async () => void pictures.push(await pictureLimit(keyFrameFile, options)),
    });
    const demuxing = result.bytesPerStream * demuxSecondsPerByte;
    const picture = measured(pictures);
    const limit = scaled(picture, (value) => demuxing + value * result.resultsPerStream);
    results.push({ row, result, picture, limit, cpu: measured(result.cpuPerStream) });
  }
  const [main] = results;
  if (main === undefined) throw new Error('nothing to measure');
  return {
    tables: [
      {
        caption: 'One worker process, H.264 of 4 Mbit/s and 30 frames a second, one key frame a second',
        columns: [
          { title: 'video' },
          { title: 'streams', digits: 0 },
          { title: 'interval', digits: 0 },
          { title: 'over' },
          { title: 'vCPU per stream', digits: 4 },
          { title: 'limit', digits: 4 },
          { title: 'times the limit' },
          { title: 'reading alone', digits: 4 },
          { title: 'streams per vCPU', digits: 0 },
          { title: 'MB resident', digits: 0 },
          { title: 'at most', digits: 0 },
          { title: 'results/s', digits: 1 },
          { title: 'vCPU of the emulator' },
        ],
        rows: results.map(({ row, result, limit, cpu }): Cell[] => [
          row.video,
          row.streams,
          row.inferenceInterval,
          row.tls ? 'TLS' : 'HTTP',
          cpu,
          limit,
          ratio(cpu, limit),
          result.readingPerStream,
          scaled(cpu, (value) => 1 / value),
          result.residentBytes / 1e6,
          result.peakBytes / 1e6,
          result.resultsPerStream * row.streams,
          result.emulatorCpu,
        ]),
      },
    ],
    figures: {
      load: results
        .filter(({ row }) => row.tls)
        .map(({ row: { video, inferenceInterval }, cpu }) => ({
          video,
          inferenceInterval,
          coresPerStream: cpu.median,
        })),
    },
    targets: [
      atMost(1.3, 'vCPU, times what demuxing and decoding alone take', ratio(main.cpu, main.limit)),
      atLeast(
        100,
        'streams for each vCPU',
        scaled(main.cpu, (value) => 1 / value),
      ),
      atMost(
        (WORKER_BYTES + STREAM_BYTES * main.row.streams) / 1e6,
        `peak of memory with ${main.row.streams} streams, MB`,
        main.result.peakBytes / 1e6,
      ),
    ],
    notes: [
      limitNote(media, results),
      'Reading alone: Node.js receives the same bytes and drops them. That is not in the limit.',
    ],
  };
}

function limitNote(media: ReadonlyMap<string, Media>, results: readonly Result[]): string {
  const limits = [...media].map(([video, { demuxSecondsPerByte }]) => {
    const picture = results.find(({ row }) => row.video === video)?.picture.median ?? Number.NaN;
    return `${video}: ${(1 / demuxSecondsPerByte / 1e9).toFixed(1)} GB/s and ${(picture * 1000).toFixed(1)} ms a key frame`;
  });
  return `The limit is the bytes at the speed of the faster demuxer, FFmpeg's or ours, and the sampled key frames at what FFmpeg takes from key frame to JPEG in one thread with contexts that are kept, measured after each window with the worker going on beside it: ${limits.join('; ')}.`;
}

function scaled(figure: Measured, by: (value: number) => number): Measured {
  return measured(figure.values.map(by));
}

import { availableParallelism } from 'node:os';
import {
  atMost,
  type BenchCase,
  type CaseOptions,
  type CaseResult,
  type Cell,
} from '../harness/bench-case.ts';
import { type Measured, measured, quantile } from '../harness/measured.ts';
import { h264Clip, type LoadResult, measureLoad } from './load.ts';
import type { Passage } from './services.ts';

interface Row {
  readonly tls: boolean;
  readonly streams: number;
  readonly inferenceInterval: number;
  readonly seconds: number;
}

/** 50 streams of interval 6 keep a third of a core busy. The first is what the targets are for. */
const ROWS: readonly Row[] = [
  { tls: true, streams: 50, inferenceInterval: 6, seconds: 40 },
  { tls: false, streams: 50, inferenceInterval: 6, seconds: 40 },
];
const QUICK_ROWS: readonly Row[] = [{ tls: false, streams: 2, inferenceInterval: 1, seconds: 2 }];
const SETTLING_MILLIS = 10_000;

export const latency: BenchCase = {
  name: 'latency',
  description:
    'from the last byte of a key frame to the request for its inference, less decoding and encoding',
  needsLinux: true,
  run: measure,
};

async function measure(options: CaseOptions): Promise<CaseResult> {
  const { quick, rounds, folder, progress, signal } = options;
  progress('making the video');
  const clip = await h264Clip(quick ? { width: 640, height: 360 } : { width: 1920, height: 1080 });
  const rows = quick ? QUICK_ROWS : ROWS;
  const results = [];
  for (const row of rows) {
    const { streams, inferenceInterval, tls, seconds } = row;
    progress(`${streams} streams, interval ${inferenceInterval}, ${tls ? 'TLS' : 'HTTP'}`);
    const load = await measureLoad({
      clip,
      streams,
      inferenceInterval,
      tls,
      folder,
      signal,
      settlingMillis: quick ? 500 : SETTLING_MILLIS,
      timesPictures: true,
      windows: rounds,
      readOnlyMillis: 0,
      windowMillis: seconds * 1000,
    });
    const pictureMillis = quantile(
      load.pictures.map(({ start, end }) => end - start),
      0.5,
    );
    const added = addedMillis(load);
    const cpu = measured(load.cpuPerStream.map((value) => value * streams));
    results.push({ row, pictureMillis, added, cpu, passages: load.passages.flat() });
  }
  const [main] = results;
  if (main === undefined) throw new Error('nothing to measure');
  const [p50, p99] = [ofWindows(main.added, 0.5), ofWindows(main.added, 0.99)];
  return {
    tables: [
      {
        caption: `Milliseconds added to those that a key frame of ${clip.track.pixelHeight}p takes from H.264 to JPEG`,
        columns: [
          { title: 'over' },
          { title: 'streams', digits: 0 },
          { title: 'vCPU' },
          { title: 'frames', digits: 0 },
          { title: 'H.264 to JPEG', digits: 1 },
          { title: 'p50', digits: 1 },
          { title: 'p90', digits: 1 },
          { title: 'p99', digits: 1 },
          { title: 'most', digits: 1 },
          { title: 'beside another, %', digits: 0 },
          { title: 'wait for a decoder, %', digits: 0 },
        ],
        rows: results.map(({ row, pictureMillis, added, cpu, passages }): Cell[] => [
          row.tls ? 'TLS' : 'HTTP',
          row.streams,
          cpu,
          added.flat().length,
          pictureMillis,
          ...[0.5, 0.9, 0.99, 1].map((part) => ofWindows(added, part)),
          100 * partThatMeets(passages, 1),
          100 * partThatMeets(passages, availableParallelism()),
        ]),
      },
    ],
    targets: [atMost(3, 'p50, ms', p50), atMost(25, 'p99, ms', p99)],
    figures: { addedMillis: { p50: p50.median, p99: p99.median } },
    notes: [
      'Of each key frame it is subtracted what it took itself, from when FFmpeg has its packet to when it has its JPEG, beside whatever ran in that time.',
      'Cameras keep no step with one another: what waits for a decoder because as many key frames as there are decoders were sent shortly before is in the figures.',
    ],
  };
}

/** Of the frames of each window, from the last byte to the call, less what the picture took, milliseconds. */
function addedMillis({ passages, pictures }: Pick<LoadResult, 'passages' | 'pictures'>): number[][] {
  let next = 0;
  const added = passages
    .flat()
    .sort((a, b) => a.asked - b.asked)
    .map(({ sent, asked }) => {
      // Those of frames that were called for before the window.
      while ((pictures[next]?.end ?? asked) < sent) next += 1;
      const picture = pictures[next];
      if (picture === undefined || picture.end > asked) throw new Error('a call without a picture');
      next += 1;
      return asked - sent - (picture.end - picture.start);
    });
  // Windows follow one another, and so do their calls.
  return passages.map(({ length }) => added.splice(0, length));
}

/** Each window's quantile. */
function ofWindows(added: readonly (readonly number[])[], part: number): Measured {
  return measured(added.map((millis) => quantile(millis, part)));
}

/** Of the frames, those that are sent while so many others are on their way to their call. */
function partThatMeets(passages: readonly Passage[], others: number): number {
  const meeting = passages.filter(
    ({ sent }) => passages.filter((other) => other.sent < sent && other.asked > sent).length >= others,
  );
  return meeting.length / passages.length;
}

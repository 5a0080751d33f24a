import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { Closers } from '../src/core/closers.ts';
import type { SourceFrame } from '../src/emulator/camera/video-source.ts';
import { mediaFrom, startHttpProxy } from '../test/chaos/proxy.ts';
import { startEndlessMedia } from '../test/e2e/endless-media.ts';
import { startLocal, until } from '../test/e2e/local.ts';
import { openClip } from '../test/support/local-services.ts';
import { Random } from '../test/support/random.ts';

/*
 * What a live stream costs a worker: processor time and memory of one worker process that reads N live streams, by the
 * inference interval, from GetMedia over HTTP to PutRecords, with an endpoint that answers at once. The README's numbers
 * of tasks come from here.
 */

const FRAME_RATE = 30;
/** 4 Mbit/s; each fragment is one second. */
const BYTES_PER_SECOND = 500_000;
/** Clock ticks of /proc/PID/stat in a second, proc_pid_stat(5). */
const TICKS = 100;
const SETTLING_MILLIS = 10_000;

interface Case {
  readonly width: number;
  readonly height: number;
  readonly streams: number;
  readonly inferenceInterval: number;
}

const CASES: readonly Case[] = [
  { width: 1280, height: 720, streams: 20, inferenceInterval: 6 },
  { width: 1920, height: 1080, streams: 20, inferenceInterval: 30 },
  { width: 1920, height: 1080, streams: 50, inferenceInterval: 6 },
  { width: 1920, height: 1080, streams: 10, inferenceInterval: 1 },
];

async function measure(one: Case, seconds: number) {
  const { width, height, streams, inferenceInterval } = one;
  const closers = new Closers();
  try {
    const clip = { width, height, frames: FRAME_RATE, frameRate: FRAME_RATE, gop: FRAME_RATE };
    const source = closers.add(await openClip(clip));
    const { value: fragment } = await source[Symbol.asyncIterator]().next();
    if (fragment === undefined) throw new Error('no video');
    const frames = ofBitRate(fragment.frames);
    const bytes = frames.reduce((sum, { payload }) => sum + payload.length, 0);
    const local = closers.add(await startLocal({ streams: [], distFolder: 'dist' }));
    const names = Array.from({ length: streams }, (_, index) => `camera-${index + 1}`);
    for (const name of names) local.cluster.createStream(name);
    const media = closers.add(await startEndlessMedia(source.track, { ...fragment, frames }, { live: true }));
    const kinesisVideo = closers.add(
      await startHttpProxy({
        target: local.env['AWS_ENDPOINT_URL_KINESIS_VIDEO'] ?? '',
        random: new Random(1),
        rewrite: mediaFrom(media.url),
      }),
    );
    const application = await local.addApplication('streams', {
      streamNames: names,
      inferenceInterval,
      metricsIntervalInMilli: 1000,
    });
    const worker = application.startWorker({ AWS_ENDPOINT_URL_KINESIS_VIDEO: kinesisVideo.url });
    await until('results come', () => worker.counted('ResultsPublished') > 0, 60_000);
    await delay(SETTLING_MILLIS);
    const published = () => worker.counted('ResultsPublished');
    const [before, cpuBefore, startedAt] = [published(), cpuSeconds(worker.pid), performance.now()];
    await delay(seconds * 1000);
    const elapsed = (performance.now() - startedAt) / 1000;
    const cpu = cpuSeconds(worker.pid) - cpuBefore;
    const row = {
      video: `${height}p`,
      'Mbit/s': round((bytes * 8) / 1e6 / (fragment.durationMillis / 1000)),
      streams,
      inferenceInterval,
      'results/s': round((published() - before) / elapsed),
      'vCPU per stream': round(cpu / elapsed / streams, 4),
      'MiB resident': Math.round(residentBytes(worker.pid) / 2 ** 20),
    };
    await worker.kill('SIGTERM');
    return row;
  } finally {
    await closers.close();
  }
}

/** The encoder's noise takes more than a camera's picture. Frames that are no key frames are never decoded: they are cut. */
function ofBitRate(frames: readonly SourceFrame[]): SourceFrame[] {
  const keyBytes = frames.reduce((sum, { keyFrame, payload }) => sum + (keyFrame ? payload.length : 0), 0);
  const others = frames.filter(({ keyFrame }) => !keyFrame).length;
  const length = Math.max(0, Math.floor((BYTES_PER_SECOND - keyBytes) / others));
  return frames.map((frame) =>
    frame.keyFrame ? frame : { ...frame, payload: frame.payload.subarray(0, length) },
  );
}

/** User and system time of the process so far. */
function cpuSeconds(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function residentBytes(pid: number | undefined): number {
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}

const program = new Command('streams')
  .description('Processor time and memory of a worker for each live stream. Needs Linux.')
  .option('--seconds <n>', 'measured in each case', Number, 30)
  .parse();
const rows = [];
for (const one of CASES) {
  process.stderr.write(`${one.streams} streams of ${one.height}p, interval ${one.inferenceInterval}\n`);
  rows.push(await measure(one, program.opts().seconds));
}
for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`);

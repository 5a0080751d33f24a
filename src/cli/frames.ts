import { createReadStream } from 'node:fs';
import { mkdir, open, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { SingleBar } from 'cli-progress';
import PQueue from 'p-queue';
import { errorMessage, UsageError } from '../core/errors.ts';
import type { PictureFormat } from '../video/encoder.ts';
import { type KeyFrame, matroskaKeyFrames, mediaFileKeyFrames } from '../video/key-frames.ts';
import { MediaFile } from '../video/media-file.ts';
import { PicturePool } from '../video/picture-pool.ts';
import { isSampled } from '../video/sampler.ts';
import { EXIT_FAILED, EXIT_OK, type ExitCode } from './exit-code.ts';
import { untilSignal } from './signals.ts';

export interface FramesOptions {
  every: number;
  format: PictureFormat;
  out: string;
  json: boolean;
}

const EXTENSIONS: Readonly<Record<PictureFormat, string>> = {
  jpeg: 'jpg',
  png: 'png',
  bmp: 'bmp',
  gif: 'gif',
};
const MATROSKA_MAGIC = Buffer.from('1a45dfa3', 'hex');
/** Wall clocks count from 1970; a file's own clock never gets this far. */
const WALL_CLOCK_MILLIS = Date.UTC(2000, 0);

/** Writes the sampled pictures of a file; fails if none of them could be written. */
export async function frames(input: string, options: FramesOptions): Promise<ExitCode> {
  const { every, format, out, json } = options;
  const signal = untilSignal();
  await mkdir(out, { recursive: true }).catch((error: unknown) => {
    throw new UsageError(`--out ${out}: ${errorMessage(error)}`, { cause: error });
  });
  const source = await openSource(input);
  // Also where the input is a pipe that says nothing.
  signal.addEventListener('abort', () => source.interrupt(), { once: true });
  const progress = progressBar(source.size);
  const pool = new PicturePool(availableParallelism());
  const writing = new PQueue({ concurrency: availableParallelism() });
  const pictureOptions = { format, maxWidth: null, maxHeight: null, quality: 100, maxBytes: null };
  const names = new Set<string>();
  const written: object[] = [];
  const failures: object[] = [];
  let iFrames = 0;
  let sampled = 0;
  let problem: string | null = null;

  const write = async (frame: KeyFrame, iFrame: number) => {
    const { fragmentNumber, frameIndex, timestampMillis } = frame;
    const file = `${uniqueName(frame, names)}.${EXTENSIONS[format]}`;
    try {
      const { data, width, height } = await pool.picture(frame.codec, frame.payload, pictureOptions);
      await writeFile(join(out, file), data);
      written.push({ file, fragmentNumber, frameIndex, timestampMillis, iFrame, width, height });
    } catch (error) {
      const failure = { fragmentNumber, frameIndex, timestampMillis, iFrame, error: errorMessage(error) };
      failures.push(failure);
      process.stderr.write(`kvs-inference: ${input}: ${file}: ${failure.error}\n`);
    }
  };

  try {
    for (let next = await source.frames.next(); !signal.aborted; next = await source.frames.next()) {
      progress?.update(Math.min(source.position(), source.size));
      if (next.done) {
        if (next.value) problem = 'the file is truncated: its complete frames were used';
        break;
      }
      const iFrame = iFrames;
      iFrames += 1;
      if (!isSampled(iFrame, every)) continue;
      sampled += 1;
      const frame = next.value;
      void writing.add(() => write(frame, iFrame));
      await writing.onSizeLessThan(availableParallelism());
    }
  } catch (error) {
    problem = errorMessage(error);
  } finally {
    await writing.onIdle();
    await pool.onIdle();
    await source.close();
    progress?.stop();
  }
  if (problem !== null) process.stderr.write(`kvs-inference: ${input}: ${problem}\n`);
  const index = { input, every, format, frames: inOrder(written), failures: inOrder(failures) };
  await writeFile(join(out, 'frames.json'), `${JSON.stringify(index, null, 2)}\n`);
  const counts = { iFrames, sampled, written: written.length, failed: failures.length };
  process.stdout.write(json ? `${JSON.stringify(counts)}\n` : `${countsText(counts)} to ${out}\n`);
  return written.length === 0 ? EXIT_FAILED : EXIT_OK;
}

interface Source {
  readonly frames: AsyncGenerator<KeyFrame, boolean, undefined>;
  /** Bytes; 0 where nobody knows. */
  readonly size: number;
  readonly position: () => number;
  /** Ends a reading that waits. */
  readonly interrupt: () => void;
  readonly close: () => Promise<void>;
}

/** @throws {UsageError} if the file cannot be opened or is no video */
async function openSource(input: string): Promise<Source> {
  if (input === '-') return matroskaSource(process.stdin, 0);
  const size = (await stat(input).catch(() => null))?.size ?? 0;
  if (await isMatroska(input)) return matroskaSource(createReadStream(input), size);
  const file = await MediaFile.open(input);
  return {
    frames: mediaFileKeyFrames(file),
    size,
    position: () => file.position,
    // FFmpeg reads a file: it does not wait, and must not be closed in the middle of a call.
    interrupt: () => undefined,
    close: () => file.close(),
  };
}

function matroskaSource(stream: Readable, size: number): Source {
  let position = 0;
  async function* counted() {
    for await (const chunk of stream) {
      position += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
  }
  return {
    frames: matroskaKeyFrames(counted()),
    size,
    position: () => position,
    interrupt: () => stream.destroy(),
    close: async () => void stream.destroy(),
  };
}

async function isMatroska(path: string): Promise<boolean> {
  const file = await open(path).catch((error: unknown) => {
    throw new UsageError(`Cannot read ${path}: ${errorMessage(error)}`, { cause: error });
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && buffer.equals(MATROSKA_MAGIC);
  } catch (error) {
    throw new UsageError(`Cannot read ${path}: ${errorMessage(error)}`, { cause: error });
  } finally {
    await file.close();
  }
}

/** Fragment number and frame index, or the time; a number behind it where clocks have jumped back. */
function uniqueName(frame: KeyFrame, names: Set<string>): string {
  const name =
    frame.fragmentNumber === null
      ? timeName(frame.timestampMillis)
      : `${frame.fragmentNumber}-${frame.frameIndex}`;
  let unique = name;
  for (let count = 2; names.has(unique); count += 1) unique = `${name}-${count}`;
  names.add(unique);
  return unique;
}

/** `2026-11-21T01-24-48.569Z`, or `00-12-03.456` on a clock that starts at 0: colons are not for file names. */
function timeName(millis: number): string {
  const time = new Date(Math.max(0, Math.round(millis))).toISOString().replaceAll(':', '-');
  if (millis >= WALL_CLOCK_MILLIS) return time;
  const hours = Math.floor(Math.max(0, millis) / 3_600_000);
  return `${String(hours).padStart(2, '0')}${time.slice(13, -1)}`;
}

function inOrder<T extends object>(entries: T[]): T[] {
  const order = (entry: T) => (entry as { iFrame: number }).iFrame;
  return entries.sort((a, b) => order(a) - order(b));
}

/** On a terminal only. */
function progressBar(size: number): SingleBar | null {
  if (!process.stderr.isTTY || size === 0) return null;
  const bar = new SingleBar({
    format: '{bar} {percentage} % | {eta_formatted} left',
    hideCursor: true,
    stream: process.stderr,
  });
  bar.start(size, 0);
  return bar;
}

function countsText(counts: { iFrames: number; sampled: number; written: number; failed: number }): string {
  const failed = counts.failed === 0 ? '' : `, ${counts.failed} failed`;
  return `${counts.iFrames} I-frames, ${counts.sampled} sampled${failed}: ${counts.written} pictures written`;
}

import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import type { Video } from '../../test/support/media.ts';
import { framesOf, getMediaBody, trackOf } from '../media/get-media-body.ts';
import type { DecodeResult } from './contestant.ts';

const execute = promisify(execFile);
const FEW = 10;
/** Far enough apart for the time base of any clip. */
const FRAME_MILLIS = 100;

/** What the program reads: the key frame so many times and no other frame, as Matroska. */
export async function writeKeyFrames(video: Video, file: string, count: number): Promise<void> {
  const [keyFrame] = framesOf(video);
  if (keyFrame === undefined) throw new Error('the clip has no frame');
  // One fragment: a new one starts with a header, and the program with it anew.
  const frames = Array.from({ length: count }, (_, index) => ({
    ...keyFrame,
    offsetMillis: index * FRAME_MILLIS,
  }));
  await pipeline(Readable.from(getMediaBody(trackOf(video), frames, 1)), createWriteStream(file));
}

/** CPU milliseconds per picture: what more pictures cost more, so that the program's start is not in it. */
export async function ffmpegProgram(
  file: string,
  options: { pictures: number; pictureFile: string; signal: AbortSignal },
): Promise<DecodeResult> {
  const few = await transcode(file, { ...options, pictures: FEW });
  const many = await transcode(file, { ...options, pictures: FEW + options.pictures });
  const picture = await readFile(options.pictureFile);
  return {
    cpuMillis: ((many - few) / options.pictures) * 1000,
    bytes: picture.length,
  };
}

/**
 * As the product converts: BT.601 coefficients, full range, the best quality; in one thread.
 *
 * @returns CPU seconds
 */
async function transcode(
  file: string,
  { pictures, pictureFile, signal }: { pictures: number; pictureFile: string; signal: AbortSignal },
): Promise<number> {
  const args = [
    ...['-nostdin', '-hide_banner', '-benchmark', '-y', '-filter_threads', '1', '-threads', '1', '-i', file],
    ...['-frames:v', String(pictures), '-fps_mode', 'passthrough', '-sws_flags', 'bicubic'],
    ...['-vf', 'scale=out_color_matrix=bt601:out_range=full', '-pix_fmt', 'yuvj420p'],
    ...['-c:v', 'mjpeg', '-q:v', '2', '-threads', '1', '-f', 'image2', '-update', '1', pictureFile],
  ];
  const { stderr } = await execute('ffmpeg', args, { signal });
  const [, made] = /.*frame=\s*(\d+)/s.exec(stderr) ?? [];
  if (Number(made) !== pictures) throw new Error(`ffmpeg has made ${made} pictures of ${pictures}`);
  const [, user, system] = /bench: utime=([\d.]+)s stime=([\d.]+)s/.exec(stderr) ?? [];
  return Number(user) + Number(system);
}

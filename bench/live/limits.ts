import { createWriteStream } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { serialize } from 'node:v8';
import { AV_CODEC_ID_H264 } from 'node-av/constants';
import type { DecodeOptions, DecodeResult } from '../decode/contestant.ts';
import type { KeyFrame } from '../decode/key-frame.ts';
import type { CaseOptions } from '../harness/bench-case.ts';
import { inChild } from '../harness/child.ts';
import { IN_IMAGE } from '../harness/image.ts';
import { getMediaBody } from '../media/get-media-body.ts';
import type { ParseOptions, ParseResult } from '../parse/contestant.ts';
import type { Clip } from './cameras.ts';

type Options = Pick<CaseOptions, 'quick' | 'signal'>;

const CHUNK_BYTES = 64 * 1024;

/** Of the faster of FFmpeg's demuxer and ours, the body in memory or in the page cache: CPU seconds for each byte. */
export async function demuxLimit(clip: Clip, folder: string, options: Options): Promise<number> {
  const bytes = options.quick ? 4_000_000 : 100_000_000;
  const write = async (name: string, minBytes: number) => {
    const file = join(folder, name);
    await pipeline(Readable.from(getMediaBody(clip.track, clip.frames, minBytes)), createWriteStream(file));
    return file;
  };
  const file = await write('body.mkv', bytes);
  const oneFragment = await write('one-fragment.mkv', 1);
  const { quick } = options;
  const parseOptions: ParseOptions = { parser: 'kvs-inference', file, chunkBytes: CHUNK_BYTES, quick };
  const ours = await inChild<ParseResult>('parse', parseOptions, options);
  const demux = (of: string) => inChild<number>('demux', { file: of }, options);
  // Its start is not what it is measured by.
  const ffmpeg = ((await demux(file)) - (await demux(oneFragment))) / (await stat(file)).size;
  return Math.min(1 / ours.bytesPerCpuSecond, ffmpeg);
}

/** The clip's key frame, for those below. @returns the file's path */
export async function writeKeyFrame({ track, frames }: Clip, folder: string): Promise<string> {
  const file = join(folder, `${track.pixelHeight}.key-frame`);
  const parameters = { codecId: AV_CODEC_ID_H264, extradata: track.codecPrivate };
  const payload = frames[0]?.payload ?? Buffer.alloc(0);
  await writeFile(file, serialize({ parameters, payload } satisfies KeyFrame));
  return file;
}

/** What FFmpeg takes from the key frame to its JPEG, in one thread, with contexts that are kept: CPU seconds. */
export async function pictureLimit(keyFrameFile: string, options: Options): Promise<number> {
  const decodeOptions: DecodeOptions = {
    task: { from: 'keyFrame', contestant: 'node-av', format: 'jpeg' },
    keyFrameFile,
    pictureFile: `${keyFrameFile}.jpeg`,
    pictures: options.quick ? 5 : 25,
  };
  const { cpuMillis } = await inChild<DecodeResult>('decode', decodeOptions, { ...options, ...IN_IMAGE });
  return cpuMillis / 1000;
}

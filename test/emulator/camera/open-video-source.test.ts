import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AV_CODEC_ID_H264 } from 'node-av/constants';
import { Codec, CodecContext, Frame, Packet } from 'node-av/lib';
import { UsageError } from '../../../src/core/errors.ts';
import { openVideoSource } from '../../../src/emulator/camera/open-video-source.ts';
import type { CameraTrack, SourceFragment } from '../../../src/emulator/camera/video-source.ts';
import { makePicture, makeVideo, type VideoOptions } from '../../support/media.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kvs-inference-test-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function store(name: string, bytes: Buffer): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, bytes);
  return path;
}

/** The track and the first fragments of a file. */
async function read(
  path: string,
  count: number,
): Promise<{ track: CameraTrack; fragments: SourceFragment[]; durations: number[] }> {
  const source = await openVideoSource(path);
  const fragments: SourceFragment[] = [];
  for await (const fragment of source) {
    fragments.push(fragment);
    if (fragments.length === count) break;
  }
  await source.close();
  const durations = fragments.map(({ durationMillis }) => Math.round(durationMillis));
  return { track: source.track, fragments, durations };
}

describe('a video whose frames can be copied', () => {
  test.each<VideoOptions>([
    { codec: 'h264', container: 'matroska', bFrames: 2 },
    { codec: 'h264', container: 'mp4', bFrames: 2 },
    { codec: 'hevc', container: 'matroska', bFrames: 2 },
    { codec: 'mjpeg', container: 'avi', gop: 1 },
    { codec: 'vp8', container: 'ivf' },
    { codec: 'vp9', container: 'webm' },
  ])('keeps its frames: $codec in $container', async (options) => {
    const video = await makeVideo({ ...options, frames: 25 });
    const { track, fragments, durations } = await read(await store('copied', video.bytes), 4);

    expect(track).toEqual({
      codecId: video.codecId,
      codecPrivate: video.codecPrivate,
      pixelWidth: 64,
      pixelHeight: 64,
    });
    expect(durations).toEqual([1000, 1000, 500, 1000]);
    const frames = fragments.slice(0, 3).flatMap((fragment) => fragment.frames);
    expect(frames.map(({ keyFrame, payload }) => ({ keyFrame, payload }))).toEqual(
      video.frames.map(({ keyFrame, payload }) => ({ keyFrame, payload })),
    );
    const times = fragments.flatMap((fragment, index) =>
      fragment.frames.map((f) => index * 1000 + f.offsetMillis),
    );
    expect(times.slice(0, 25)).toEqual(video.frames.map(({ timeMillis }) => timeMillis));
    expect(fragments[3]).toEqual(fragments[0]);
  });

  test.each(['h264', 'hevc'] as const)(
    'gets lengths for start codes: %s in an MPEG transport stream',
    async (codec) => {
      const video = await makeVideo({ codec, container: 'mpegts', frames: 20 });
      const { track, fragments } = await read(await store('video.ts', video.bytes), 2);

      expect(track).toMatchObject({ codecId: video.codecId, pixelWidth: 64, pixelHeight: 64 });
      expect(track.codecPrivate?.[0]).toBe(1);
      const frames = fragments.flatMap((fragment) => fragment.frames);
      // The transport stream has access unit delimiters and parameter sets besides.
      expect(frames.map(({ payload }) => units(payload).at(-1))).toEqual(
        video.frames.map(({ payload }) => units(payload).at(-1)),
      );
    },
  );

  test('is repeated within a fragment if it is short', async () => {
    const video = await makeVideo({ frames: 4 });
    const { fragments, durations } = await read(await store('short.mkv', video.bytes), 2);

    expect(durations).toEqual([1200, 1200]);
    expect(fragments[0]?.frames).toHaveLength(12);
  });

  test('stays in memory', async () => {
    const path = await store('memory.mkv', (await makeVideo()).bytes);
    const source = await openVideoSource(path);
    await rm(path);

    const iterator = source[Symbol.asyncIterator]();
    for (let loop = 0; loop < 3; loop += 1) expect((await iterator.next()).value?.frames).toHaveLength(10);
    await source.close();
  });

  test('is read again at each loop if it is longer than five minutes', async () => {
    const video = await makeVideo({ width: 32, height: 32, frames: 302, frameRate: 1, gop: 1 });
    const path = await store('long.mkv', video.bytes);
    const source = await openVideoSource(path);
    const payloads: Buffer[] = [];
    for await (const { frames } of source) {
      payloads.push(...frames.map(({ payload }) => payload));
      if (payloads.length === 303) await rm(path);
      if (payloads.length === 604) break;
    }

    const expected = video.frames.map(({ payload }) => payload);
    expect(Buffer.concat(payloads).equals(Buffer.concat([...expected, ...expected]))).toBe(true);
    await expect(source[Symbol.asyncIterator]().next()).rejects.toThrow('No such file or directory');
    await source.close();
  });
});

describe('a video that is encoded again', () => {
  test.each<{ name: string; options: VideoOptions; durations: number[]; counts: number[] }>([
    {
      name: 'another codec',
      options: { codec: 'mpeg4', container: 'avi', frames: 25 },
      durations: [1000, 1000, 500, 1000],
      counts: [10, 10, 5, 10],
    },
    {
      name: 'key frames too far apart',
      options: { frames: 35, gop: 35 },
      durations: [1000, 1000, 1000, 500],
      counts: [10, 10, 10, 5],
    },
    {
      name: 'B-frames without timestamps',
      options: { container: 'h264', frames: 20, bFrames: 2 },
      durations: [1000, 1000, 1000],
      counts: [10, 10, 10],
    },
    {
      name: 'an odd size',
      options: { codec: 'png', container: 'avi', width: 99, height: 77, frames: 15 },
      durations: [1000, 500, 1000],
      counts: [10, 5, 10],
    },
    {
      name: 'a start that is not 0',
      options: { gop: 99, timesMillis: tenASecond(40).map((time) => time + 7000) },
      durations: [1000, 1000],
      counts: [10, 10],
    },
    {
      name: 'a changing frame rate',
      options: { gop: 99, timesMillis: [0, 50, 400, 990, 1400, 2100, 2200, 3300] },
      durations: [1400, 1900],
      counts: [4, 3],
    },
    {
      name: 'pictures shown for long',
      options: { codec: 'mpeg4', container: 'matroska', gop: 1, timesMillis: [0, 3000, 6000] },
      durations: [1000, 1000, 1000, 1000],
      counts: [1, 1, 1, 1],
    },
  ])('has a key frame each second: $name', async ({ options, durations, counts }) => {
    const video = await makeVideo(options);
    const result = await read(await store('encoded', video.bytes), durations.length);

    expect(result.track.codecId).toBe('V_MPEG4/ISO/AVC');
    expect(result.durations).toEqual(durations);
    expect(result.fragments.map(({ frames }) => frames.length)).toEqual(counts);
    for (const { frames } of result.fragments) {
      expect(frames.map(({ keyFrame }) => keyFrame)).toEqual(frames.map((_, index) => index === 0));
    }
    const size = { width: result.track.pixelWidth, height: result.track.pixelHeight };
    expect(size).toEqual({ width: toEven(video.width), height: toEven(video.height) });
    expect(await decodedSizes(result)).toEqual(counts.flatMap((count) => Array(count).fill(size)));
  });

  test('is scaled down to 1280 x 720', async () => {
    const video = await makeVideo({ codec: 'mpeg4', width: 200, height: 900, frames: 2 });
    const { track } = await read(await store('large.mkv', video.bytes), 1);
    expect([track.pixelWidth, track.pixelHeight]).toEqual([160, 720]);
  });

  test('stays in memory', async () => {
    const path = await store('memory.avi', (await makeVideo({ codec: 'mpeg4', frames: 20 })).bytes);
    const source = await openVideoSource(path);
    const iterator = source[Symbol.asyncIterator]();
    const first = [(await iterator.next()).value, (await iterator.next()).value];
    await rm(path);

    expect([(await iterator.next()).value, (await iterator.next()).value]).toEqual(first);
    await source.close();
  });
});

describe('a still picture', () => {
  test.each(['jpeg', 'png'] as const)('is a video of one frame a second: %s', async (format) => {
    const picture = await makePicture({ format, width: 63, height: 49 });
    const result = await read(await store(`picture.${format}`, picture), 2);

    expect(result.durations).toEqual([1000, 1000]);
    expect(result.fragments.map(({ frames }) => frames.length)).toEqual([1, 1]);
    expect(await decodedSizes(result)).toEqual(Array(2).fill({ width: 64, height: 50 }));
  });

  test('is what a video of one frame is', async () => {
    const { bytes } = await makeVideo({ frames: 1, container: 'mp4' });
    const { durations, fragments } = await read(await store('single.mp4', bytes), 2);
    expect(durations).toEqual([1000, 1000]);
    expect(fragments.map(({ frames }) => frames.length)).toEqual([1, 1]);
  });
});

describe('what is no video', () => {
  test.each([
    { name: 'missing.mp4', bytes: null, reason: 'No such file or directory' },
    { name: 'empty.mp4', bytes: Buffer.alloc(0), reason: 'Invalid data found when processing input' },
    {
      name: 'text.mp4',
      bytes: Buffer.from('not a video'),
      reason: 'Invalid data found when processing input',
    },
    { name: 'sound.wav', bytes: silence(), reason: 'has no video' },
  ])('is refused by name, with the reason: $name', async ({ name, bytes, reason }) => {
    const path = bytes === null ? join(directory, name) : await store(name, bytes);
    const error = await openVideoSource(path).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).message).toContain(path);
    expect((error as UsageError).message).toContain(reason);
  });

  test('is refused where it claims to be one', async () => {
    const { bytes, frames } = await makeVideo({ codec: 'mpeg4', container: 'avi', frames: 3 });
    for (const { payload } of frames)
      bytes.fill(0, bytes.indexOf(payload), bytes.indexOf(payload) + payload.length);
    const path = await store('damaged.avi', bytes);
    await expect(openVideoSource(path)).rejects.toThrow(
      /^Cannot decode the video of .*damaged.avi \(mpeg4\): /,
    );
  });
});

function tenASecond(frames: number): number[] {
  return Array.from({ length: frames }, (_, index) => index * 100);
}

function toEven(pixels: number): number {
  return Math.ceil(pixels / 2) * 2;
}

/** The NAL units of a payload, each behind four bytes of length. */
function units(payload: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let offset = 0; offset < payload.length; ) {
    const end = offset + 4 + payload.readUInt32BE(offset);
    found.push(payload.subarray(offset + 4, end));
    offset = end;
  }
  return found;
}

/** Decodes H.264 as a reader of the stream would, and fails where FFmpeg does. */
async function decodedSizes({
  track,
  fragments,
}: {
  track: CameraTrack;
  fragments: readonly SourceFragment[];
}) {
  const codec = Codec.findDecoder(AV_CODEC_ID_H264);
  const context = new CodecContext();
  context.allocContext3(codec);
  context.extraData = track.codecPrivate;
  context.threadCount = 1;
  expect(await context.open2(codec)).toBe(0);
  const packet = new Packet();
  packet.alloc();
  const frame = new Frame();
  frame.alloc();
  const sizes: { width: number; height: number }[] = [];
  const receive = async () => {
    while ((await context.receiveFrame(frame)) >= 0) {
      expect(frame.decodeErrorFlags).toBe(0);
      sizes.push({ width: frame.width, height: frame.height });
    }
  };
  for (const { payload } of fragments.flatMap(({ frames }) => frames)) {
    packet.data = payload;
    expect(await context.sendPacket(packet)).toBe(0);
    await receive();
  }
  await context.sendPacket(null);
  await receive();
  frame.free();
  packet.free();
  context.freeContext();
  return sizes;
}

/** A second of 8-bit mono sound. */
function silence(): Buffer {
  const header = Buffer.from(
    '524946460000000057415645666d74201000000001000100401f0000401f00000100080064617461401f0000',
    'hex',
  );
  return Buffer.concat([header, Buffer.alloc(8000, 128)]);
}

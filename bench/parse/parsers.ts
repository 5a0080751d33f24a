import type { Transform } from 'node:stream';
import { MatroskaDemuxer } from '../../src/matroska/demuxer.ts';
import type { FrameHeader } from '../../src/matroska/frame.ts';
import { isSampled } from '../../src/video/sampler.ts';

const INFERENCE_INTERVAL = 6;

/** One pass over the bytes. */
interface Parsing {
  /** @returns a promise where the parser does not work at once */
  write(chunk: Buffer): Promise<void> | void;
  end?(): Promise<void> | void;
  /** How many frames it has given; null where it does not tell. */
  frames(): number | null;
}

type Parser = () => Promise<() => Parsing>;

/** Every frame's payload is there to be read, as a view or a copy; none is read. */
const PARSERS_BY_NAME = {
  memcpy: async () => () => {
    const target = Buffer.alloc(1024 * 1024);
    return {
      write(chunk) {
        chunk.copy(target);
      },
      frames: () => null,
    };
  },

  'kvs-inference': async () => () => {
    const demuxer = new MatroskaDemuxer();
    let frames = 0;
    return {
      write(chunk) {
        for (const event of demuxer.demux(chunk)) if (event.type === 'frame') frames += 1;
      },
      frames: () => frames,
    };
  },

  /** Only the frames that are sampled are read, the others are counted. */
  'as the worker reads': async () => () => {
    let keyFrames = 0;
    const wants = ({ keyFrame }: FrameHeader) => {
      if (keyFrame) keyFrames += 1;
      return keyFrame && isSampled(keyFrames - 1, INFERENCE_INTERVAL);
    };
    const demuxer = new MatroskaDemuxer({ wants });
    let frames = 0;
    return {
      write(chunk) {
        for (const event of demuxer.demux(chunk)) if (event.type === 'fragmentEnd') frames += event.frames;
      },
      frames: () => frames,
    };
  },

  ebml: async () => {
    const { Decoder } = await import('ebml');
    return () => {
      const decoder = new Decoder();
      let frames = 0;
      decoder.on('data', ([, { name }]: [string, { name: string }]) => {
        if (name === 'SimpleBlock') frames += 1;
      });
      return { write: (chunk) => written(decoder, chunk), frames: () => frames };
    };
  },

  'ts-ebml': async () => {
    const { Decoder } = await import('ts-ebml');
    return () => {
      const decoder = new Decoder();
      let frames = 0;
      return {
        write(chunk) {
          // It takes whole ArrayBuffers.
          const { buffer, byteOffset, byteLength } = chunk;
          const elements = decoder.decode(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
          for (const { name } of elements) if (name === 'SimpleBlock') frames += 1;
        },
        frames: () => frames,
      };
    };
  },

  'ebml-stream': async () => {
    const { EbmlStreamDecoder, EbmlTagId } = await import('ebml-stream');
    return () => {
      const decoder = new EbmlStreamDecoder();
      let frames = 0;
      decoder.on('data', ({ id }: { id: number }) => {
        if (id === EbmlTagId.SimpleBlock) frames += 1;
      });
      return { write: (chunk) => written(decoder, chunk), frames: () => frames };
    };
  },

  mediabunny: async () => {
    const { EncodedPacketSink, Input, MATROSKA, ReadableStreamSource } = await import('mediabunny');
    return () => {
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const writer = writable.getWriter();
      let frames = 0;
      const reading = (async () => {
        const input = new Input({ source: new ReadableStreamSource(readable), formats: [MATROSKA] });
        const track = await input.getPrimaryVideoTrack();
        if (track === null) throw new Error('no video track');
        for await (const _ of new EncodedPacketSink(track).packets()) frames += 1;
      })();
      // What it fails with is told by `end`.
      reading.catch(() => undefined);
      return {
        write: (chunk) => Promise.race([writer.write(chunk), reading]),
        async end() {
          await Promise.race([writer.close(), reading]);
          await reading;
        },
        frames: () => frames,
      };
    };
  },
} as const satisfies Record<string, Parser>;

export type ParserName = keyof typeof PARSERS_BY_NAME;
export const PARSERS: Readonly<Record<ParserName, Parser>> = PARSERS_BY_NAME;

/** Of a Transform: its errors are events. */
async function written(stream: Transform, chunk: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    stream.once('error', reject);
    stream.write(chunk, () => {
      stream.removeListener('error', reject);
      resolve();
    });
  });
}

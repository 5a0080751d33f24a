import {
  EBML_HEADER,
  element,
  simpleBlock,
  tagsElement,
  unknownSizeHeader,
} from '../../src/emulator/matroska-writer.ts';
import { MatroskaDemuxer, type MatroskaEvent } from '../../src/matroska/demuxer.ts';
import { ElementId } from '../../src/matroska/elements.ts';

export interface FragmentOptions {
  number: string;
  serverSeconds?: string;
  producerSeconds?: string;
  tracks?: Buffer;
  /** SimpleBlocks, BlockGroups, producer's tags … */
  content?: Buffer[];
  clusterTimestamp?: number;
  /** Cut off before the trailing tags. */
  withoutTrailer?: boolean;
  millisBehindNow?: string;
  unknownSizeCluster?: boolean;
}

/** What says of a track that this header is stripped from each of its frames. */
export function strippedHeader(header: Buffer): Buffer {
  return element(ElementId.ContentEncodings, [
    element(ElementId.ContentEncoding, [
      element(ElementId.ContentCompression, [
        element(ElementId.ContentCompAlgo, 3),
        element(ElementId.ContentCompSettings, header),
      ]),
    ]),
  ]);
}

export const videoTrackEntry = element(ElementId.TrackEntry, [
  element(ElementId.TrackNumber, 1),
  element(ElementId.TrackType, 1),
  element(ElementId.CodecID, 'V_MPEG4/ISO/AVC\0\0\0'),
  element(ElementId.Video, [element(ElementId.PixelWidth, 640), element(ElementId.PixelHeight, 360)]),
  element(ElementId.CodecPrivate, Buffer.from('014d401effe1', 'hex')),
]);

export const audioTrackEntry = element(ElementId.TrackEntry, [
  element(ElementId.TrackNumber, 2),
  element(ElementId.TrackType, 2),
  element(ElementId.CodecID, 'A_AAC'),
]);

export function block(
  timecode: number,
  keyFrame: boolean,
  payload: string | Buffer,
  trackNumber = 1,
): Buffer {
  return simpleBlock({ trackNumber, timecode, keyFrame, payload: Buffer.from(payload) });
}

/** One fragment as GetMedia sends it. */
export function getMediaFragment(options: FragmentOptions): Buffer {
  const { number, serverSeconds = '1700000000.500', producerSeconds = '1700000000.000' } = options;
  const content = [
    element(ElementId.Timestamp, options.clusterTimestamp ?? 0),
    ...(options.content ?? [block(0, true, 'key'), block(40, false, 'delta')]),
  ];
  const cluster = options.unknownSizeCluster
    ? Buffer.concat([unknownSizeHeader(ElementId.Cluster), ...content])
    : element(ElementId.Cluster, content);
  return Buffer.concat([
    EBML_HEADER,
    unknownSizeHeader(ElementId.Segment),
    element(ElementId.Info, [element(ElementId.TimestampScale, 1_000_000)]),
    options.tracks ?? element(ElementId.Tracks, [videoTrackEntry]),
    tagsElement({ COMPATIBLE_BRANDS: 'isom' }),
    tagsElement({
      AWS_KINESISVIDEO_FRAGMENT_NUMBER: number,
      AWS_KINESISVIDEO_SERVER_TIMESTAMP: serverSeconds,
      AWS_KINESISVIDEO_PRODUCER_TIMESTAMP: producerSeconds,
    }),
    cluster,
    ...(options.withoutTrailer
      ? []
      : [
          tagsElement({
            AWS_KINESISVIDEO_MILLIS_BEHIND_NOW: options.millisBehindNow ?? '0',
            AWS_KINESISVIDEO_CONTINUATION_TOKEN: number,
          }),
        ]),
  ]);
}

export interface Demuxed {
  events: MatroskaEvent[];
  truncated: boolean | null;
  error: unknown;
}

/** Demuxes the bytes in chunks of the given size; payloads are copied, as chunks may be views of one buffer. */
export function demuxAll(bytes: Buffer, chunkSize = bytes.length || 1, maxElementBytes?: number): Demuxed {
  const demuxer = new MatroskaDemuxer({ maxElementBytes });
  const events: MatroskaEvent[] = [];
  const collect = <T>(iterator: Iterator<MatroskaEvent, T>): T => {
    let next = iterator.next();
    for (; !next.done; next = iterator.next()) events.push(copied(next.value));
    return next.value;
  };
  try {
    for (let start = 0; start < bytes.length; start += chunkSize) {
      // A chunk of its own, overwritten afterwards, as a socket's buffer may be.
      const chunk = Buffer.from(bytes.subarray(start, start + chunkSize));
      collect(demuxer.demux(chunk));
    }
    return { events, truncated: collect(demuxer.end()), error: null };
  } catch (error) {
    return { events, truncated: null, error };
  }
}

/** With a payload that stays as it is. */
export function copied(event: MatroskaEvent): MatroskaEvent {
  if (event.type !== 'frame') return event;
  return { ...event, frame: { ...event.frame, payload: Buffer.from(event.frame.payload) } };
}

import {
  blockGroup,
  EBML_HEADER,
  element,
  simpleBlock,
  tagsElement,
  unknownSizeHeader,
} from '../../src/emulator/matroska-writer.ts';
import { ElementId } from '../../src/matroska/elements.ts';
import { audioTrackEntry, getMediaFragment, strippedHeader, videoTrackEntry } from '../support/matroska.ts';
import type { Random } from '../support/random.ts';

const FIRST_NUMBER = 91343852333181432392682062607743920146159169392n;

const strippedTrackEntry = element(ElementId.TrackEntry, [
  element(ElementId.TrackNumber, 3),
  element(ElementId.TrackType, 17),
  element(ElementId.CodecID, 'S_TEXT/UTF8'),
  element(ElementId.Name, 'subtitles'),
  strippedHeader(Buffer.from([0, 0, 1])),
]);
const TRACK_ENTRIES = [videoTrackEntry, audioTrackEntry, strippedTrackEntry];

/** Well-formed Matroska of some fragments, as GetMedia or as a producer sends it. */
export function generatedBody(random: Random): Buffer {
  const fragments = random.integer(1, 3);
  return random.chance(0.7) ? getMediaBody(random, fragments) : producerBody(random, fragments);
}

function getMediaBody(random: Random, fragments: number): Buffer {
  const bodies = Array.from({ length: fragments }, (_, index) => {
    const withError = random.chance(0.2);
    const fragment = getMediaFragment({
      number: String(FIRST_NUMBER + BigInt(index * random.integer(1, 100))),
      tracks: element(ElementId.Tracks, TRACK_ENTRIES.slice(0, random.integer(1, 3))),
      ...(random.chance(0.5)
        ? { unknownSizeCluster: true, content: [...content(random), tagsElement({ location: 'entrance' })] }
        : { content: content(random) }),
      clusterTimestamp: random.integer(0, 2 ** 32),
      withoutTrailer: withError || random.chance(0.2),
      millisBehindNow: String(random.integer(0, 100_000)),
    });
    if (!withError) return fragment;
    const error = { AWS_KINESISVIDEO_ERROR_CODE: '5000', AWS_KINESISVIDEO_ERROR_ID: 'INTERNAL_ERROR' };
    return Buffer.concat([fragment, tagsElement(error, 8)]);
  });
  return Buffer.concat(bodies);
}

function producerBody(random: Random, fragments: number): Buffer {
  const clusters = Array.from({ length: fragments }, () => {
    const parts = [element(ElementId.Timestamp, random.integer(0, 2 ** 32), 8), ...content(random)];
    return random.chance(0.5)
      ? Buffer.concat([unknownSizeHeader(ElementId.Cluster, random.integer(1, 8)), ...parts])
      : element(ElementId.Cluster, parts, 8);
  });
  const parts = [
    element(ElementId.Info, [element(ElementId.TimestampScale, 1_000_000)]),
    element(ElementId.Tracks, TRACK_ENTRIES),
    ...clusters,
  ];
  return Buffer.concat([
    EBML_HEADER,
    random.chance(0.5)
      ? element(ElementId.Segment, parts)
      : Buffer.concat([unknownSizeHeader(ElementId.Segment), ...parts]),
  ]);
}

function content(random: Random): Buffer[] {
  return Array.from({ length: random.integer(0, 6) }, (_, index) => {
    const payload = Buffer.alloc(random.integer(0, random.chance(0.2) ? 5000 : 50), index + 1);
    const block = { trackNumber: random.integer(1, 3), timecode: index * 40, keyFrame: index === 0, payload };
    return random.pick([
      () => simpleBlock(block),
      () => simpleBlock(block, 8),
      () => blockGroup(block),
      () => laced(random.integer(1, 3), payload),
    ])();
  });
}

/** A SimpleBlock of two frames. */
function laced(lacing: number, payload: Buffer): Buffer {
  // Xiph and EBML tell the size of the first frame; the second takes the rest.
  const laces = lacing === 2 ? [1] : lacing === 1 ? [1, 1] : [1, 0x81];
  const frames =
    lacing === 2 ? Buffer.concat([payload, payload]) : Buffer.concat([Buffer.from('a'), payload]);
  const header = Buffer.from([0x81, 0, 0, 0x80 | (lacing << 1), ...laces]);
  return element(ElementId.SimpleBlock, [header, frames]);
}

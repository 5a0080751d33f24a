import { EBML_HEADER, element, unknownSizeHeader } from '../../src/emulator/matroska-writer.ts';
import { ElementId } from '../../src/matroska/elements.ts';
import { audioTrackEntry, block } from '../support/matroska.ts';
import { makeVideo, padH264 } from '../support/media.ts';
import type { StreamFaults } from '../support/media-front.ts';
import { Random } from '../support/random.ts';
import { CUTS, garbage, IN_STREAM_ERRORS, INSERTIONS, oneForEach } from './media-harm.ts';
import { frameBlock, type Recording, recordingOf } from './stored-video.ts';

/** Codec parameters, one after the other in one stream. */
export const CHANGES = [
  { width: 64, height: 64 },
  { codec: 'hevc', width: 96, height: 64 },
  { width: 128, height: 96 },
  { width: 64, height: 64 },
] as const;
export const WIDE = { width: 3840, height: 2160 };
export const HUGE_BYTES = 40 * 1024 * 1024;
export const FRAGMENTS_BETWEEN_CHANGES = 2;

const random = new Random(4);
const places = Object.values(CUTS);

/** What the media of a stream suffers, where it suffers anything. */
export const FAULTS: Readonly<Record<string, StreamFaults>> = {
  ends: { endAfterMillis: 3000 },
  'cut-1': {
    harm: oneForEach([...places.entries()], ([index, place], fragment) => ({
      type: index % 2 === 0 ? 'end' : 'loss',
      at: place(fragment),
    })),
  },
  'cut-2': {
    harm: oneForEach([...places.entries()], ([index, place], fragment) => ({
      type: index % 2 === 0 ? 'loss' : 'end',
      at: place(fragment),
    })),
  },
  errors: { harm: oneForEach(IN_STREAM_ERRORS, (error, fragment) => error(fragment)) },
  garbage: {
    harm: oneForEach(Object.values(INSERTIONS), (place, fragment) => garbage(place, fragment, random)),
  },
  hangs: {
    isIgnored: (call) => call === 1,
    harm: oneForEach(['SimpleBlock payload'] as const, (place, fragment) => ({
      type: 'silence',
      at: CUTS[place]?.(fragment) ?? 0,
    })),
  },
  huge: {
    harm: (fragment, ordinal) =>
      ordinal === 0 ? { type: 'loss', at: Math.floor(fragment.bytes.length * 0.9) } : null,
  },
};

/** What the streams without a camera hold, by name: one recording for each connection of the producer. */
export async function makeRecordings(): Promise<Record<string, Recording[]>> {
  const clip = await makeVideo({ frames: 9, gop: 3 });
  const wide = await makeVideo({ ...WIDE, frames: 3, gop: 1 });
  const changes = await Promise.all(CHANGES.map((options) => makeVideo({ ...options, frames: 9, gop: 3 })));
  const [keyFrame] = clip.frames;
  if (keyFrame === undefined) throw new Error('no frame');
  const small = frameBlock(keyFrame);
  const huge = frameBlock({ ...keyFrame, payload: padH264(keyFrame.payload, HUGE_BYTES) });
  const sound = [block(0, true, 'sound', 2), block(20, true, 'more', 2)];
  return {
    'cut-1': [recordingOf(clip, places.length + 1)],
    'cut-2': [recordingOf(clip, places.length + 1)],
    errors: [recordingOf(clip, IN_STREAM_ERRORS.length + 1)],
    garbage: [recordingOf(clip, Object.keys(INSERTIONS).length + 1)],
    hangs: [recordingOf(clip, 3)],
    changes: changes.map((video) => recordingOf(video, FRAGMENTS_BETWEEN_CHANGES)),
    sound: [{ header: soundHeader(), fragments: Array(3).fill(sound) }],
    wide: [recordingOf(wide, 1)],
    // Every second one is sampled.
    huge: [{ ...recordingOf(clip, 0), fragments: [[huge], [small], [huge]] }],
  };
}

/** A Segment whose only track is one of sound. */
function soundHeader(): Buffer {
  return Buffer.concat([
    EBML_HEADER,
    unknownSizeHeader(ElementId.Segment),
    element(ElementId.Info, [element(ElementId.TimestampScale, 1_000_000)]),
    element(ElementId.Tracks, [audioTrackEntry]),
  ]);
}

import { EBML_HEADER, tagsElement, unknownSizeHeader } from '../../src/emulator/matroska-writer.ts';
import { ElementId } from '../../src/matroska/elements.ts';
import type { MediaFragment } from '../support/media-fragments.ts';
import type { Harm } from '../support/media-front.ts';
import type { Random } from '../support/random.ts';

/** Finds a place in a fragment, bytes from its start. */
export type Place = (fragment: MediaFragment) => number;

/** Before the last byte of the header of the nth such element, counted from the end where n is negative. */
const inHeader =
  (name: string, n = 0): Place =>
  (fragment) =>
    find(fragment, name, n).contentStart - 1;

/** In the middle of its content. */
const inContent =
  (name: string, n = 0): Place =>
  (fragment) => {
    const { contentStart, end } = find(fragment, name, n);
    if (end === null) throw new Error(`${name} has no known end`);
    return Math.floor((contentStart + end) / 2);
  };

const atStart =
  (name: string, n = 0): Place =>
  (fragment) =>
    find(fragment, name, n).start;

/** One in every kind of element of a fragment from recordingOf, in the order of the wire. */
export const CUTS: Readonly<Record<string, Place>> = {
  'EBML header': inContent('EBML'),
  'Segment header': inHeader('Segment'),
  Info: inContent('Info'),
  Tracks: inContent('Tracks'),
  'the Tags of the producer': inContent('Tags', 0),
  'the fragment number': inContent('TagString', 1),
  'Cluster header': inHeader('Cluster'),
  Timestamp: inContent('Timecode'),
  'SimpleBlock header': inHeader('SimpleBlock'),
  'SimpleBlock payload': inContent('SimpleBlock', 1),
  'BlockGroup header': inHeader('BlockGroup'),
  'Block payload': inContent('Block'),
  'a Tag after the blocks': inContent('Tags', -2),
  'before the trailing Tags': atStart('Tags', -1),
  'header of the trailing Tags': inHeader('Tags', -1),
  'the continuation token': inContent('TagString', -1),
};

/**
 * Where bytes are put in that nobody sent. One is put into each fragment but the first: with three I-frames in each, and
 * every second one sampled, the fourth and the sixth of these are in sampled frames.
 */
export const INSERTIONS: Readonly<Record<string, Place>> = {
  Tracks: inContent('CodecPrivate'),
  'the fragment number': inContent('TagString', 1),
  'between two blocks': atStart('SimpleBlock', 2),
  'the first key frame': inContent('SimpleBlock'),
  'the trailing Tags': inContent('Tags', -1),
  'the last key frame': inContent('Block', 1),
};

export const ERROR_CODES: Readonly<Record<string, string>> = {
  '3002': 'ERROR_WRITE',
  '4000': 'FRAGMENT_NOT_FOUND',
  '4500': 'KMS_KEY_ACCESS_DENIED',
  '5000': 'INTERNAL_ERROR',
};

/** The next of these for each fragment but the first, so that each body has a good one. */
export function oneForEach<T>(things: readonly T[], harm: (thing: T, fragment: MediaFragment) => Harm) {
  return (fragment: MediaFragment, ordinal: number): Harm | null => {
    const thing = things[ordinal - 1];
    return thing === undefined ? null : harm(thing, fragment);
  };
}

/** Before a fragment, in a Segment of its own, and in it, after its frames. */
export const IN_STREAM_ERRORS = Object.keys(ERROR_CODES).flatMap((id) => [
  (): Harm => {
    const document = [EBML_HEADER, unknownSizeHeader(ElementId.Segment), errorTags(id)];
    return { type: 'insertion', at: 0, bytes: Buffer.concat(document) };
  },
  (fragment: MediaFragment): Harm => ({
    type: 'insertion',
    at: atStart('Tags', -1)(fragment),
    bytes: errorTags(id),
  }),
]);

const GARBAGE_BYTES = 100;

export function garbage(place: Place, fragment: MediaFragment, random: Random): Harm {
  const bytes = Buffer.from(Array.from({ length: GARBAGE_BYTES }, () => random.integer(0, 255)));
  return { type: 'insertion', at: place(fragment), bytes };
}

function errorTags(id: string): Buffer {
  return tagsElement({
    AWS_KINESISVIDEO_ERROR_CODE: ERROR_CODES[id] ?? '',
    AWS_KINESISVIDEO_ERROR_ID: id,
  });
}

function find({ elements }: MediaFragment, name: string, n: number) {
  const element = elements.filter((candidate) => candidate.name === name).at(n);
  if (element === undefined) throw new Error(`no ${name} number ${n}`);
  return element;
}

import { isDeepStrictEqual } from 'node:util';
import { type DemuxerOptions, MatroskaDemuxer, type MatroskaEvent } from '../../src/matroska/demuxer.ts';
import { MatroskaError } from '../../src/matroska/error.ts';
import type { FrameHeader } from '../../src/matroska/frame.ts';
import { copied } from '../support/matroska.ts';
import { Random } from '../support/random.ts';

/** What is checked of a demuxer. */
export type Demuxer = Pick<MatroskaDemuxer, 'demux' | 'end'>;

/** The largest element that the demuxer may read in these checks, bytes. */
export const MAX_ELEMENT_BYTES = 1024 * 1024;
/** Of the payloads to the bytes of the input: a lace of one byte may get a header that was stripped. */
const MAX_PAYLOAD_RATIO = 100;
const MAX_MESSAGE_LENGTH = 5000;
/** Milliseconds beyond which there is no Date. */
const MAX_DATE = 8.64e15;
/** Up to which the input is also fed byte by byte. */
const MAX_SINGLE_BYTES = 4096;

interface Outcome {
  readonly events: MatroskaEvent[];
  readonly isCut: boolean | null;
  readonly error: unknown;
}

/** Of a demuxer under test. */
export type Create = (options?: Pick<DemuxerOptions, 'wants'>) => Demuxer;

export const createDemuxer: Create = (options) =>
  new MatroskaDemuxer({ ...options, maxElementBytes: MAX_ELEMENT_BYTES });

/**
 * Demuxes `bytes` in chunks of several sizes, the same for the same bytes.
 *
 * @returns what the demuxer does that it must not, or null
 */
export function problemOf(bytes: Buffer, create: Create = createDemuxer): string | null {
  const whole = outcome(create(), bytes, [bytes.length]);
  const problem = problemOfOutcome(whole, bytes.length);
  if (problem !== null) return problem;
  const random = new Random(bytes.length);
  const chunkings = [
    Array.from({ length: 64 }, () => random.integer(1, 100)),
    Array.from({ length: 64 }, () => random.integer(1, 20_000)),
    ...(bytes.length <= MAX_SINGLE_BYTES ? [[1]] : []),
  ];
  for (const sizes of chunkings) {
    const inChunks = outcome(create(), bytes, sizes);
    const difference = differenceOf(inChunks, whole);
    if (difference !== null) return `in chunks of ${sizes.slice(0, 5).join(', ')} … bytes: ${difference}`;
  }
  const wanted = whole.events.filter((event) => event.type !== 'frame' || isWanted(event.frame));
  for (const sizes of [[bytes.length], ...chunkings]) {
    const some = outcome(create({ wants: isWanted }), bytes, sizes);
    const difference = differenceOf(comparable(some), comparable({ ...whole, events: wanted }));
    if (difference !== null) return `when not all frames are wanted: ${difference}`;
  }
  return null;
}

/** Where a frame is cut, it has been counted if it was asked for. */
function comparable(all: Outcome): Outcome {
  const uncounted = (event: MatroskaEvent) =>
    event.type === 'fragmentEnd' && !event.complete ? { ...event, frames: 0 } : event;
  return { ...all, events: all.events.map(uncounted) };
}

/** Some of each track, of each kind. */
function isWanted({ index, trackNumber, laceIndex, keyFrame }: FrameHeader): boolean {
  return (index + trackNumber + laceIndex) % 3 === Number(keyFrame);
}

/** Feeds chunks of these sizes, again and again, until the end. */
function outcome(demuxer: Demuxer, bytes: Buffer, sizes: readonly number[]): Outcome {
  const events: MatroskaEvent[] = [];
  try {
    let position = 0;
    for (let index = 0; position < bytes.length; index += 1) {
      const size = sizes[index % sizes.length] as number;
      const chunk = Buffer.from(bytes.subarray(position, position + size));
      collect(demuxer.demux(chunk), events, bytes.length);
      position += size;
    }
    return { events, isCut: collect(demuxer.end(), events, bytes.length), error: null };
  } catch (error) {
    return { events, isCut: null, error };
  }
}

function collect<T>(iterator: Iterator<MatroskaEvent, T>, events: MatroskaEvent[], maxEvents: number): T {
  let next = iterator.next();
  for (; !next.done; next = iterator.next()) {
    events.push(copied(next.value));
    // The shortest that makes events are a Cluster of five bytes, which makes two, and a lace of one.
    if (events.length > maxEvents)
      throw new RangeError(`more events than the ${maxEvents} bytes of the input`);
  }
  return next.value;
}

function problemOfOutcome({ events, error }: Outcome, bytes: number): string | null {
  if (error !== null) {
    if (!(error instanceof MatroskaError)) return `it throws ${String(error)}`;
    if (error.message.length > MAX_MESSAGE_LENGTH) return `a message of ${error.message.length} characters`;
    if (!(error.offset >= 0 && error.offset <= bytes)) return `an error at byte ${error.offset} of ${bytes}`;
  }
  let isOpen = false;
  let payloadBytes = 0;
  let counts = new Map<number, number>();
  for (const event of events) {
    if (event.type === 'fragmentStart') {
      if (isOpen) return 'a fragment starts within another one';
      isOpen = true;
      counts = new Map();
      const { fragmentNumber, serverTimestampMillis, producerTimestampMillis } = event.fragment;
      if ((fragmentNumber?.length ?? 0) > 128) return 'a fragment number of more than 128 digits';
      if (!isDate(serverTimestampMillis ?? 0)) return `server timestamp ${serverTimestampMillis}`;
      if (!isDate(producerTimestampMillis ?? 0)) return `producer timestamp ${producerTimestampMillis}`;
    } else if (event.type === 'fragmentEnd') {
      if (!isOpen) return 'a fragment ends that has not started';
      isOpen = false;
    } else if (event.type === 'frame') {
      const { trackNumber, index, timestampMillis, offsetMillis, payload } = event.frame;
      if (!isOpen) return 'a frame outside of a fragment';
      if (index !== (counts.get(trackNumber) ?? 0))
        return `frame ${index} of track ${trackNumber} out of turn`;
      counts.set(trackNumber, index + 1);
      if (!isDate(timestampMillis)) return `a frame at ${timestampMillis} ms`;
      if (!isDate(offsetMillis)) return `a frame ${offsetMillis} ms after its Cluster's start`;
      payloadBytes += payload.length;
    }
  }
  if (error === null && isOpen) return 'a fragment is left open at the end';
  if (payloadBytes > bytes * MAX_PAYLOAD_RATIO) return `${payloadBytes} bytes of frames from ${bytes} bytes`;
  return null;
}

function differenceOf(inChunks: Outcome, whole: Outcome): string | null {
  if (String(inChunks.error) !== String(whole.error)) return `${inChunks.error}, else ${whole.error}`;
  if (inChunks.isCut !== whole.isCut) return `cut: ${inChunks.isCut}, else ${whole.isCut}`;
  if (inChunks.events.length !== whole.events.length) {
    return `${inChunks.events.length} events, else ${whole.events.length}`;
  }
  const index = inChunks.events.findIndex((event, at) => !isDeepStrictEqual(event, whole.events[at]));
  return index === -1 ? null : `event ${index} differs`;
}

function isDate(millis: number): boolean {
  return Math.abs(millis) <= MAX_DATE;
}

import type { EbmlElement } from './ebml-reader.ts';
import { ElementId } from './elements.ts';
import { MatroskaError } from './error.ts';
import { readFloat, readString, readUnsigned } from './values.ts';

export type TrackType = 'video' | 'audio' | 'subtitle' | 'other';

/** One TrackEntry (RFC 9559, 5.1.4.1). */
export interface Track {
  readonly trackNumber: number;
  readonly trackType: TrackType;
  /** `V_MPEG4/ISO/AVC`, `A_AAC` … */
  readonly codecId: string;
  /** Codec parameters, such as an AVCDecoderConfigurationRecord; a copy, safe to keep. */
  readonly codecPrivate: Buffer | null;
  readonly name: string | null;
  /** Pixels, of a video track. */
  readonly pixelWidth: number | null;
  readonly pixelHeight: number | null;
  /** Hertz, of an audio track. */
  readonly samplingFrequency: number | null;
  readonly channels: number | null;
  /** What ContentCompression stripped from the start of every frame (RFC 9559, 5.1.4.1.31.5). */
  readonly strippedHeader: Buffer | null;
  /** Why the frames cannot be read as they are: compressed, encrypted, or a value of the track is corrupt. */
  readonly unreadable: string | null;
}

const TRACK_TYPES: Readonly<Record<number, TrackType>> = { 1: 'video', 2: 'audio', 17: 'subtitle' };
const COMPRESSION_ALGORITHMS = ['zlib', 'bzlib', 'lzo1x'];
const HEADER_STRIPPING = 3;
/** Real ones have a few hundred bytes. */
const MAX_VALUE_BYTES = 1024 * 1024;
/** Of a header that every frame gets back: real ones have up to four bytes, and a frame may have none but these. */
const MAX_STRIPPED_BYTES = 64;

/** Collects the children of one TrackEntry. */
export class TrackBuilder {
  readonly #values = new Map<number, number | string | Buffer>();
  #hasEncryption = false;
  #hasCompression = false;
  #problem: string | null = null;

  start(element: EbmlElement): void {
    if (element.id === ElementId.ContentEncryption) this.#hasEncryption = true;
    if (element.id === ElementId.ContentCompression) this.#hasCompression = true;
  }

  /** A value that cannot be right makes the track unreadable, not the stream: its fragments can still be told. */
  leaf(element: EbmlElement, data: Buffer): void {
    try {
      if (data.length > MAX_VALUE_BYTES) throw tooLarge(element, data, MAX_VALUE_BYTES);
      this.#values.set(element.id, readTrackValue(element, data));
    } catch (error) {
      if (!(error instanceof MatroskaError)) throw error;
      this.#problem = error.message;
    }
  }

  /** @returns null without a track number: no frame can be of this track */
  build(): Track | null {
    const trackNumber = this.#number(ElementId.TrackNumber);
    if (trackNumber === null || trackNumber === 0) return null;
    const algorithm = this.#number(ElementId.ContentCompAlgo) ?? 0;
    const isStripped = this.#hasCompression && algorithm === HEADER_STRIPPING;
    const isReadable = !this.#hasCompression || isStripped;
    const compression = COMPRESSION_ALGORITHMS[algorithm] ?? `compression ${algorithm}`;
    return {
      trackNumber,
      trackType: TRACK_TYPES[this.#number(ElementId.TrackType) ?? 0] ?? 'other',
      codecId: this.#text(ElementId.CodecID) ?? '',
      codecPrivate: this.#bytes(ElementId.CodecPrivate),
      name: this.#text(ElementId.Name),
      pixelWidth: this.#number(ElementId.PixelWidth),
      pixelHeight: this.#number(ElementId.PixelHeight),
      samplingFrequency: this.#number(ElementId.SamplingFrequency),
      channels: this.#number(ElementId.Channels),
      strippedHeader: isStripped ? this.#bytes(ElementId.ContentCompSettings) : null,
      unreadable: this.#problem ?? (this.#hasEncryption ? 'encrypted' : isReadable ? null : compression),
    };
  }

  #number(id: number): number | null {
    const value = this.#values.get(id);
    return typeof value === 'number' ? value : null;
  }

  #text(id: number): string | null {
    const value = this.#values.get(id);
    return typeof value === 'string' ? value : null;
  }

  #bytes(id: number): Buffer | null {
    const value = this.#values.get(id);
    return Buffer.isBuffer(value) ? value : null;
  }
}

function readTrackValue(element: EbmlElement, data: Buffer): number | string | Buffer {
  switch (element.id) {
    case ElementId.CodecID:
    case ElementId.Name:
      return readString(data);
    case ElementId.ContentCompSettings:
      if (data.length > MAX_STRIPPED_BYTES) throw tooLarge(element, data, MAX_STRIPPED_BYTES);
      return Buffer.from(data);
    case ElementId.CodecPrivate:
      return Buffer.from(data);
    case ElementId.SamplingFrequency:
      return readFloat(element, data);
    default:
      return readUnsigned(element, data);
  }
}

/** What a person calls the codec: H.264, AAC …; the codec ID where there is no such name. */
export function codecName(codecId: string): string {
  return CODEC_NAMES[codecId] ?? (codecId === '' ? 'unknown' : codecId);
}

const CODEC_NAMES: Readonly<Record<string, string>> = {
  'V_MPEG4/ISO/AVC': 'H.264',
  'V_MPEGH/ISO/HEVC': 'H.265',
  V_MJPEG: 'MJPEG',
  V_VP8: 'VP8',
  V_VP9: 'VP9',
  V_AV1: 'AV1',
  A_AAC: 'AAC',
  A_OPUS: 'Opus',
  'A_MS/ACM': 'ACM (G.711)',
};

function tooLarge({ name, start }: EbmlElement, { length }: Buffer, maxBytes: number): MatroskaError {
  return new MatroskaError('ELEMENT_TOO_LARGE', name, start, `${length} bytes, at most ${maxBytes} are kept`);
}

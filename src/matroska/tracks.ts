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
  /** How the frames are packed where they cannot be read as they are: compressed or encrypted. */
  readonly unreadable: string | null;
}

const TRACK_TYPES: Readonly<Record<number, TrackType>> = { 1: 'video', 2: 'audio', 17: 'subtitle' };
const COMPRESSION_ALGORITHMS = ['zlib', 'bzlib', 'lzo1x'];
const HEADER_STRIPPING = 3;

/** Collects the children of one TrackEntry. */
export class TrackBuilder {
  readonly #entry: EbmlElement;
  readonly #values = new Map<number, number | string | Buffer>();
  #hasEncryption = false;
  #hasCompression = false;

  constructor(entry: EbmlElement) {
    this.#entry = entry;
  }

  start(element: EbmlElement): void {
    if (element.id === ElementId.ContentEncryption) this.#hasEncryption = true;
    if (element.id === ElementId.ContentCompression) this.#hasCompression = true;
  }

  leaf(element: EbmlElement, data: Buffer): void {
    this.#values.set(element.id, readTrackValue(element, data));
  }

  /** @throws {MatroskaError} INVALID_VALUE without a track number */
  build(): Track {
    const trackNumber = this.#number(ElementId.TrackNumber);
    if (trackNumber === null || trackNumber === 0) {
      throw new MatroskaError('INVALID_VALUE', 'TrackEntry', this.#entry.start, 'it has no TrackNumber');
    }
    const algorithm = this.#number(ElementId.ContentCompAlgo) ?? 0;
    const isStripped = this.#hasCompression && algorithm === HEADER_STRIPPING;
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
      unreadable: this.#hasEncryption
        ? 'encrypted'
        : this.#hasCompression && !isStripped
          ? compression
          : null,
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
    case ElementId.CodecPrivate:
    case ElementId.ContentCompSettings:
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

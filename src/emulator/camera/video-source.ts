/** A video track in the terms of Matroska (RFC 9559, 5.1.4.1). */
export interface CameraTrack {
  readonly codecId: string;
  readonly codecPrivate: Buffer | null;
  readonly pixelWidth: number;
  readonly pixelHeight: number;
}

/** What a camera streams: one video track, without end, as fast as it is asked for. */
export interface VideoSource {
  readonly track: CameraTrack;
  /** Starts from the beginning at each call; several iterations may go on side by side. */
  [Symbol.asyncIterator](): AsyncGenerator<SourceFragment, void, undefined>;
  /** Frees what the iterations share; return those first. */
  close(): Promise<void>;
}

/**
 * Starts with a key frame. Lasts 1 to 2 seconds where the source has key frames at such distances; the last one
 * of a file may be shorter.
 */
export interface SourceFragment {
  /** Until the next fragment starts. */
  readonly durationMillis: number;
  /** In decoding order. */
  readonly frames: readonly SourceFrame[];
}

export interface SourceFrame {
  /** When the frame is shown, milliseconds after the first of its fragment. */
  readonly offsetMillis: number;
  readonly keyFrame: boolean;
  readonly payload: Buffer;
}

/** A frame of one pass through a file, in decoding order. */
export interface EncodedFrame {
  /** When the frame is shown, milliseconds from an origin that is the same for all frames of the pass. */
  readonly timeMillis: number;
  readonly durationMillis: number;
  readonly keyFrame: boolean;
  readonly payload: Buffer;
}

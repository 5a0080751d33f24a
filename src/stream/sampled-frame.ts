import type { SampledEndpoint } from '../lease/sampling.ts';
import type { FragmentMetadata } from '../matroska/fragment.ts';
import type { Frame } from '../matroska/frame.ts';
import type { CodecParameters } from '../video/codec.ts';

/** A fragment from GetMedia, which has a number and a time. */
export type StreamFragment = FragmentMetadata & {
  readonly fragmentNumber: string;
  readonly serverTimestampMillis: number;
};

export function isStreamFragment(metadata: FragmentMetadata): metadata is StreamFragment {
  return metadata.fragmentNumber !== null && metadata.serverTimestampMillis !== null;
}

/** One holding of a lease, as the frames that were read in it see it. */
export interface Tenure {
  /** Aborts when frames that wait for their turn are to be dropped: the next owner of the lease reads them again. */
  readonly draining: AbortSignal;
  /** Aborts when nothing may be published any more. */
  readonly over: AbortSignal;
  /**
   * Whether results may be published. Asked right before it is done: in a process that was paused the lease can be
   * another worker's before any timer or signal has fired.
   */
  isValid(): boolean;
}

/** How a frame has ended that is not to be read again. */
export type FrameEnd = 'PUBLISHED' | 'FAILED' | 'DROPPED';

/**
 * A sampled frame on its way to one endpoint. It is still compressed: decoding waits until the endpoint can take it.
 * Where it goes to several endpoints there is one of these for each, with the same payload.
 */
export interface SampledFrame {
  /** See frameId. */
  readonly id: string;
  readonly streamName: string;
  readonly endpoint: SampledEndpoint;
  readonly fragment: StreamFragment;
  readonly frame: Omit<Frame, 'payload'>;
  /**
   * Those of the frame's own fragment: they may change with the next one.
   *
   * @throws {KvsInferenceError} UNSUPPORTED_CODEC
   */
  readonly codec: () => CodecParameters;
  /** A copy of the frame's bytes: no chunk of the body stays alive for it. */
  readonly payload: Buffer;
  readonly tenure: Tenure;
  /**
   * The result is in the data stream, or the frame has failed for good or was dropped. Either this or `abandon` is
   * called, once.
   */
  readonly settle: (end: FrameEnd) => void;
  /** The frame is given up because the tenure is draining or over. */
  readonly abandon: () => void;
}

/** When the frame reached Kinesis Video Streams, as far as can be told; milliseconds since the Unix epoch. */
export function serverMillisOf({ fragment, frame }: Pick<SampledFrame, 'fragment' | 'frame'>): number {
  return fragment.serverTimestampMillis + frame.offsetMillis;
}

/** When the producer says the frame is from; null where it does not. */
export function producerMillisOf({ fragment, frame }: SampledFrame): number | null {
  const { producerTimestampMillis } = fragment;
  return producerTimestampMillis === null ? null : producerTimestampMillis + frame.offsetMillis;
}

/**
 * What makes a repeat recognisable: the same frame gets the same id however often and by whomever it is read.
 *
 * @param frameIndex ordinal of the frame in its track within the fragment
 * @param endpointName where results of several endpoints are to be told apart
 */
export function frameId(
  streamName: string,
  fragmentNumber: string,
  frameIndex: number,
  endpointName?: string,
): string {
  const id = `${streamName}/${fragmentNumber}/${frameIndex}`;
  return endpointName === undefined ? id : `${id}/${endpointName}`;
}

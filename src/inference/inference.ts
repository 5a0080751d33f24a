import type { Picture } from '../video/encoder.ts';
import type { Answer } from './endpoint.ts';

/** The picture that an endpoint was sent. Its data is not kept: results may wait long to be published. */
export type SentPicture = Omit<Picture, 'data'>;

/** What the model said of a frame. */
export interface Inference {
  readonly picture: SentPicture;
  readonly answer: Answer;
}

/** A frame that the model will say nothing of: decoding it or asking the endpoint has failed for good. */
export interface FailedInference {
  readonly error: unknown;
  /** Calls of the endpoint; 0 if it never got that far. */
  readonly attempts: number;
  /** Null if there is none. */
  readonly picture: SentPicture | null;
}

import type { Detection } from '../lambda/outputs.ts';

/** What the demo shows of one stream: on its line, and on the page. Counts are since the start. */
export interface StreamState {
  readonly streamName: string;
  fragments: number;
  iFrames: number;
  sampled: number;
  published: number;
  /** Results that the parser Lambda has read. */
  parsed: number;
  failed: number;
  /** Age of the newest result when it was parsed, milliseconds after the fragment reached the service. */
  lagMillis: number | null;
  /** The newest picture that has been parsed. */
  picture: PictureState | null;
}

export interface PictureState {
  /** The result's id; the page asks for the picture by it. */
  readonly id: string;
  readonly detections: readonly Detection[];
}

/** Counts that only the worker's log tells. */
export type WorkerCount = 'fragments' | 'iFrames' | 'sampled' | 'published' | 'failed';

/** A stream as the page shows it. The worker's counts are null where its log is not at hand. */
export type ShownStream = Omit<StreamState, WorkerCount> & Readonly<Record<WorkerCount, number | null>>;

/** A result, for the page's list. */
export interface ResultLine {
  readonly id: string;
  readonly streamName: string;
  /** ISO 8601. */
  readonly serverTimestamp: string | null;
  readonly lagMillis: number | null;
  readonly detections: readonly Detection[];
}

/** What the page is sent, about once a second, as JSON. */
export interface DemoState {
  /** Milliseconds since the start. */
  readonly uptimeMillis: number;
  readonly streams: readonly ShownStream[];
  /** The newest first, at most 30. */
  readonly results: readonly ResultLine[];
}

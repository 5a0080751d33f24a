import { METRICS_NAMESPACE } from '../core/metric-names.ts';
import type { ObservedInvocation } from '../emulator/sagemaker-runtime.ts';
import type { RecordEntry } from '../lambda/handler.ts';
import type { StoredPicture } from './page-server.ts';
import type { DemoState, ResultLine, ShownStream, StreamState } from './state.ts';

const MAX_RESULTS = 30;
/** Pictures wait here until their results have been parsed. */
const MIN_PICTURES = 64;
const PICTURES_PER_STREAM = 8;
const MAX_LAGS = 100_000;

/** What `--json` prints at the end. */
export interface DemoSummary {
  readonly streams: number;
  readonly fragments: number;
  readonly iFrames: number;
  readonly sampled: number;
  readonly published: number;
  readonly parsed: number;
  readonly failed: number;
  /** How often each label was seen. */
  readonly detections: Readonly<Record<string, number>>;
  readonly lagMillis: { readonly p50: number | null; readonly p99: number | null };
}

/**
 * Watches the demo from outside, as a user could: the worker by the metrics in its log, the endpoint by its
 * invocations, the parser Lambda by its lines. The worker knows nothing of it.
 */
export class DemoObserver {
  readonly #streams = new Map<string, StreamState>();
  readonly #results: ResultLine[] = [];
  readonly #pictures = new Map<string, StoredPicture>();
  readonly #detections = new Map<string, number>();
  readonly #lags: number[] = [];

  /** Adds streams to what is watched. */
  watch(streamNames: readonly string[]): void {
    for (const streamName of streamNames) this.#streams.set(streamName, newStreamState(streamName));
  }

  get streams(): StreamState[] {
    return [...this.#streams.values()];
  }

  state(uptimeMillis: number): DemoState {
    return { uptimeMillis, streams: this.streams, results: this.#results };
  }

  /** For who does not see the worker's log: without the counts that it tells. */
  stateWithoutWorker(uptimeMillis: number): DemoState {
    return { ...this.state(uptimeMillis), streams: this.streams.map(withoutWorker) };
  }

  picture(id: string): StoredPicture | null {
    return this.#pictures.get(id) ?? null;
  }

  /** A line of the worker's log. @returns whether it was metrics */
  workerLine(line: Readonly<Record<string, unknown>>): boolean {
    if (!isMetrics(line)) return false;
    const stream = this.#streams.get(String(line['StreamName']));
    if (stream === undefined) return true;
    const count = (name: string) => (typeof line[name] === 'number' ? line[name] : 0);
    stream.fragments += count('FragmentsReceived');
    stream.iFrames += count('IFramesReceived');
    stream.sampled += count('FramesSampled');
    stream.published += count('ResultsPublished');
    stream.failed += count('FramesFailed');
    return true;
  }

  /** A picture that the endpoint has answered. */
  invocation({ customAttributes, body, contentType }: ObservedInvocation): void {
    const id = /^id=([^,]+)/.exec(customAttributes)?.[1];
    if (id === undefined) return;
    this.#pictures.set(id, { body, contentType });
    const [oldest] = this.#pictures.keys();
    const limit = Math.max(MIN_PICTURES, PICTURES_PER_STREAM * this.#streams.size);
    if (this.#pictures.size > limit && oldest !== undefined) this.#pictures.delete(oldest);
  }

  /** A result that the parser Lambda has read. One without an output says nothing of what there was to see. */
  parsed(entry: RecordEntry): void {
    if (entry.outputKind === null) return;
    const { id, streamName, serverTimestamp, serverLatencyMillis: lagMillis, detections } = entry;
    for (const { label } of detections) this.#detections.set(label, (this.#detections.get(label) ?? 0) + 1);
    if (lagMillis !== null && this.#lags.length < MAX_LAGS) this.#lags.push(lagMillis);
    const stream = this.#streams.get(streamName);
    if (stream === undefined || id === null) return;
    stream.parsed += 1;
    stream.lagMillis = lagMillis;
    stream.picture = { id, detections };
    this.#results.unshift({ id, streamName, serverTimestamp, lagMillis, detections });
    this.#results.splice(MAX_RESULTS);
  }

  summary(): DemoSummary {
    const sum = (count: (stream: StreamState) => number) =>
      this.streams.reduce((total, stream) => total + count(stream), 0);
    const lags = this.#lags.toSorted((a, b) => a - b);
    return {
      streams: this.#streams.size,
      fragments: sum((stream) => stream.fragments),
      iFrames: sum((stream) => stream.iFrames),
      sampled: sum((stream) => stream.sampled),
      published: sum((stream) => stream.published),
      parsed: sum((stream) => stream.parsed),
      failed: sum((stream) => stream.failed),
      detections: Object.fromEntries([...this.#detections].sort(([, a], [, b]) => b - a)),
      lagMillis: { p50: percentile(lags, 0.5), p99: percentile(lags, 0.99) },
    };
  }
}

/** Nearest rank, of sorted values. */
function percentile(sorted: readonly number[], fraction: number): number | null {
  return sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)] ?? null;
}

function isMetrics(line: Readonly<Record<string, unknown>>): boolean {
  return JSON.stringify(line['_aws'])?.includes(METRICS_NAMESPACE) ?? false;
}

function withoutWorker(stream: StreamState): ShownStream {
  return { ...stream, fragments: null, iFrames: null, sampled: null, published: null, failed: null };
}

function newStreamState(streamName: string): StreamState {
  return {
    streamName,
    fragments: 0,
    iFrames: 0,
    sampled: 0,
    published: 0,
    parsed: 0,
    failed: 0,
    lagMillis: null,
    picture: null,
  };
}

import type { Config } from '../config/resolve.ts';
import { Occasional } from '../core/occasional.ts';
import type { Answer } from '../inference/endpoint.ts';
import type { FailedInference, Inference } from '../inference/inference.ts';
import type { SampledFrame } from '../stream/sampled-frame.ts';
import { base64Length, type EncodedRecord, encodedRecord, recordBytes, resultRecord } from './build.ts';
import { OutputStore, type OutputStoreOptions } from './output-store.ts';
import type { ResultPublisher } from './publisher.ts';
import type { ResultRecord } from './record.ts';

/** Of the results that are not published yet; a stream whose results are held up leaves the others room. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
const MAX_WAITING_BYTES_PER_STREAM = 8 * 1024 * 1024;
const LINE_INTERVAL_MILLIS = 60_000;

export interface ResultWriterOptions extends OutputStoreOptions {
  publisher: ResultPublisher;
  config: () => Pick<Config, 'maxRecordBytes' | 'resultBucket'>;
}

/**
 * What becomes of a frame's outcome: a record with the output, or, if that is too large for one, a record that says
 * where in S3 it is, or that there was one.
 */
export class ResultWriter {
  readonly #options: ResultWriterOptions;
  readonly #outputs: OutputStore;
  readonly #tooLargeLines: Occasional;
  #waitingBytes = 0;
  /** By stream; only those of which something waits. */
  readonly #waitingByStream = new Map<string, number>();
  /** Called when results have been published. */
  readonly #onRoom = new Set<() => void>();

  constructor(options: ResultWriterOptions) {
    this.#options = options;
    this.#outputs = new OutputStore(options);
    this.#tooLargeLines = new Occasional(options.clock, LINE_INTERVAL_MILLIS);
  }

  /**
   * Waits while too much of the stream, or of all, waits to be published: to be awaited before the endpoint is asked
   * for more. What is written all the same is taken.
   *
   * @throws the reason of `signal` if it aborts before
   */
  async room(streamName: string, signal: AbortSignal): Promise<void> {
    while (!this.#hasRoom(streamName)) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#onRoom.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#onRoom.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  /**
   * Resolves when the record is in the data stream.
   *
   * @throws {KvsInferenceError} TENURE_OVER if it may not be published any more; RESULT_REFUSED; RESULT_TOO_LARGE if
   *   the record is too large even without the output
   */
  async write(frame: SampledFrame, outcome: Inference | FailedInference): Promise<void> {
    const { streamName, tenure } = frame;
    const { complete, bytes } = this.#encode(frame, outcome);
    this.#count(streamName, bytes);
    try {
      const encoded = complete ?? (await this.#encodeWithoutOutput(frame, outcome as Inference, bytes));
      await this.#options.publisher.publish(encoded, tenure);
    } finally {
      this.#count(streamName, -bytes);
      for (const wake of this.#onRoom) wake();
    }
  }

  /**
   * The record with the output, and its bytes; no record if it would be too large. Apart, so that nothing else is kept while
   * the result waits: what the garbage collector copies is what a result costs most.
   */
  #encode(frame: SampledFrame, outcome: Inference | FailedInference) {
    const output = 'answer' in outcome ? outcome.answer.body : null;
    const record = resultRecord(frame, outcome);
    const json = JSON.stringify(record);
    const bytes = recordBytes(Buffer.byteLength(json), record) + (output === null ? 0 : base64Length(output));
    if (output === null) return { complete: encodedRecord(record, json), bytes };
    const isTooLarge = bytes > this.#options.config().maxRecordBytes;
    const withIt = () => encodedRecord(record, json, output.toString('base64'));
    return { complete: isTooLarge ? null : withIt(), bytes };
  }

  async #encodeWithoutOutput(frame: SampledFrame, outcome: Inference, bytes: number): Promise<EncodedRecord> {
    const record = {
      ...resultRecord(frame, outcome),
      ...(await this.#insteadOfOutput(frame, outcome.answer, bytes)),
    };
    return encodedRecord(record, JSON.stringify(record));
  }

  #hasRoom(streamName: string): boolean {
    const own = this.#waitingByStream.get(streamName) ?? 0;
    return this.#waitingBytes < MAX_WAITING_BYTES && own < MAX_WAITING_BYTES_PER_STREAM;
  }

  #count(streamName: string, bytes: number): void {
    const own = (this.#waitingByStream.get(streamName) ?? 0) + bytes;
    this.#waitingBytes += bytes;
    if (own === 0) this.#waitingByStream.delete(streamName);
    else this.#waitingByStream.set(streamName, own);
  }

  /** @param bytes of the record with the output */
  async #insteadOfOutput(frame: SampledFrame, answer: Answer, bytes: number): Promise<Partial<ResultRecord>> {
    const { config, log, metrics } = this.#options;
    const { id, streamName } = frame;
    const sageMakerOutputBytes = answer.body.length;
    const sageMakerOutputUri = await this.#outputs.put(frame, answer);
    if (sageMakerOutputUri !== null) {
      metrics.count('ResultsStored', streamName);
      return { sageMakerOutputBytes, sageMakerOutputUri };
    }
    metrics.count('ResultsTooLarge', streamName);
    const { maxRecordBytes } = config();
    const problem = `${bytes} bytes with the output, a record of the data stream holds ${maxRecordBytes}`;
    const results = this.#tooLargeLines.count();
    if (results !== null) log.warn({ id, results }, `results published without output: ${problem}`);
    return { sageMakerOutputBytes, error: 'RESULT_TOO_LARGE', errorMessage: problem };
  }
}

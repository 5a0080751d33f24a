import type { Config } from '../config/resolve.ts';
import { Occasional } from '../core/occasional.ts';
import type { Answer } from '../inference/endpoint.ts';
import type { FailedInference, Inference } from '../inference/inference.ts';
import type { SampledFrame } from '../stream/sampled-frame.ts';
import { encodedRecord, recordBytes, resultRecord } from './build.ts';
import { OutputStore, type OutputStoreOptions } from './output-store.ts';
import type { ResultPublisher } from './publisher.ts';
import type { ResultRecord } from './record.ts';

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
    await this.#options.publisher.waiting.room(streamName, signal);
  }

  /**
   * Resolves when the record is in the data stream.
   *
   * @throws {KvsInferenceError} TENURE_OVER if it may not be published any more; RESULT_REFUSED; RESULT_TOO_LARGE if
   *   the record is too large even without the output
   */
  write(frame: SampledFrame, outcome: Inference | FailedInference): Promise<void> {
    const { publisher, config } = this.#options;
    const record = resultRecord(frame, outcome);
    if (!('answer' in outcome)) return publisher.publish(encodedRecord(record), frame.tenure);
    const complete = encodedRecord(record, outcome.answer.body);
    const bytes = recordBytes(complete);
    // Not awaited: a promise less of each that waits.
    if (bytes <= config().maxRecordBytes) return publisher.publish(complete, frame.tenure);
    return this.#writeWithoutOutput(frame, outcome.answer, record, bytes);
  }

  /** @param bytes of the record with the output */
  async #writeWithoutOutput(
    frame: SampledFrame,
    answer: Answer,
    record: ResultRecord,
    bytes: number,
  ): Promise<void> {
    const { waiting } = this.#options.publisher;
    waiting.add(frame.streamName, bytes);
    let instead: Partial<ResultRecord>;
    try {
      instead = await this.#insteadOfOutput(frame, answer, bytes);
    } finally {
      waiting.remove(frame.streamName, bytes);
    }
    await this.#options.publisher.publish(encodedRecord({ ...record, ...instead }), frame.tenure);
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

import type { S3Client } from '@aws-sdk/client-s3';
import type { Config } from '../config/resolve.ts';
import { type Clock, withTimeout } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { Occasional } from '../core/occasional.ts';
import { retry } from '../core/retry.ts';
import type { Answer } from '../inference/endpoint.ts';
import type { SampledFrame } from '../stream/sampled-frame.ts';
import { tenureOver } from './tenure-over.ts';

/** Of one request: an output may have 25 MB. */
const TIMEOUT_MILLIS = 30_000;
const BACKOFF = { baseDelayMillis: 200, maxDelayMillis: 10_000 };
const LINE_INTERVAL_MILLIS = 10_000;

export interface OutputStoreOptions {
  /** Must not retry by itself. */
  s3: Pick<S3Client, 'send'>;
  /** Part of the keys: `kvs-inference/<application>/<id of the result>`. */
  applicationName: string;
  /** Read for each request: a bucket that is not the right one can be mended while outputs wait for it. */
  config: () => Pick<Config, 'resultBucket'>;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** Puts outputs that no record of the data stream holds into an S3 bucket, if there is one for them. */
export class OutputStore {
  readonly #options: OutputStoreOptions;
  readonly #retryLines: Occasional;

  constructor(options: OutputStoreOptions) {
    this.#options = options;
    this.#retryLines = new Occasional(options.clock, LINE_INTERVAL_MILLIS);
  }

  /**
   * Retries until the output is stored. A frame that is read again overwrites what it had stored before.
   *
   * @returns its `s3://` URI; null if there is no bucket
   * @throws {KvsInferenceError} TENURE_OVER as soon as the tenure is over
   */
  async put({ id, streamName, tenure }: SampledFrame, answer: Answer): Promise<string | null> {
    const { s3, applicationName, config, clock, log, metrics } = this.#options;
    const key = `kvs-inference/${applicationName}/${id}`;
    const attempt = async (): Promise<string | null> => {
      const { resultBucket } = config();
      if (resultBucket === undefined) return null;
      const { body, contentType } = answer;
      const { PutObjectCommand } = await import('./s3.ts');
      const command = new PutObjectCommand({
        Bucket: resultBucket,
        Key: key,
        Body: body,
        ContentType: contentType,
      });
      await withTimeout(clock, TIMEOUT_MILLIS, tenure.over, (abortSignal) =>
        s3.send(command, { abortSignal }),
      );
      return `s3://${resultBucket}/${key}`;
    };
    const onRetry = (error: unknown) => {
      metrics.count('PublishRetries', streamName);
      const requests = this.#retryLines.count();
      if (requests === null) return;
      const details = { bucket: config().resultBucket, requests, error: errorName(error), id };
      log.error(details, `outputs not stored yet, trying again: ${errorMessage(error)}`);
    };
    try {
      return await retry(attempt, {
        clock,
        signal: tenure.over,
        attempts: Number.POSITIVE_INFINITY,
        ...BACKOFF,
        isRetryable: () => true,
        onRetry,
      });
    } catch (error) {
      throw tenure.over.aborted ? tenureOver() : error;
    }
  }
}

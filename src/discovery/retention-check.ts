import { DescribeStreamCommand, type KinesisVideoClient } from '@aws-sdk/client-kinesis-video';
import type { Config } from '../config/resolve.ts';
import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { PacedCalls } from './calls.ts';
import { type DiscoveredStream, identifierOf } from './discovered-stream.ts';
import { outageOf, retentionProblem } from './retention.ts';

export interface RetentionCheckOptions {
  /** In force now. */
  config: () => Pick<Config, 'mode' | 'outageToSurviveInHours'>;
  /** Should not retry by itself. */
  kinesisVideo: Pick<KinesisVideoClient, 'send'>;
  clock: Clock;
  log: Logger;
}

/** The quota is 300 a second for the account; nothing waits for the answer. */
const CALLS_PER_SECOND = 20;

/** Warns of the streams that are read and do not keep their video for long enough: of each once, until that changes. */
export class RetentionCheck {
  readonly #options: RetentionCheckOptions;
  readonly #calls: PacedCalls;
  /** By the signal that ends the reading. */
  readonly #read = new Map<AbortSignal, DiscoveredStream>();
  /** By stream, of those that are read. */
  readonly #warned = new Map<string, string>();
  #asked: string;

  constructor(options: RetentionCheckOptions) {
    this.#options = options;
    this.#calls = new PacedCalls({ ...options, callsPerSecond: CALLS_PER_SECOND });
    this.#asked = this.#question;
  }

  /**
   * Asks for a stream that is read from now on, if it is to be lossless. Never rejects: what cannot be asked for is
   * read all the same.
   *
   * @param signal aborts when the stream is read no more
   */
  async check(stream: DiscoveredStream, signal: AbortSignal): Promise<void> {
    this.#read.set(signal, stream);
    const forget = () => {
      this.#read.delete(signal);
      this.#warned.delete(stream.streamName);
    };
    signal.addEventListener('abort', forget, { once: true });
    await this.#check(stream, signal);
  }

  /** To be called when the configuration has changed: asks for all streams again if that is another question now. */
  async configChanged(): Promise<void> {
    if (this.#question === this.#asked) return;
    this.#asked = this.#question;
    await Promise.all([...this.#read].map(([signal, stream]) => this.#check(stream, signal)));
  }

  get #question(): string {
    const { mode, outageToSurviveInHours } = this.#options.config();
    return `${mode} ${outageToSurviveInHours}`;
  }

  async #check(stream: DiscoveredStream, signal: AbortSignal): Promise<void> {
    const { config, kinesisVideo, log } = this.#options;
    if (outageOf(config()) === 0) return;
    const { streamName } = stream;
    const command = new DescribeStreamCommand(identifierOf(stream));
    try {
      const { StreamInfo } = await this.#calls.call(
        'DescribeStream',
        (abortSignal) => kinesisVideo.send(command, { abortSignal }),
        signal,
      );
      const retention = StreamInfo?.DataRetentionInHours ?? 0;
      const outage = config().outageToSurviveInHours;
      const problem = retentionProblem(streamName, retention, outage);
      if (problem === null) this.#warned.delete(streamName);
      else if (this.#warned.get(streamName) !== problem) {
        this.#warned.set(streamName, problem);
        log.warn({ streamName, dataRetentionInHours: retention, outageToSurviveInHours: outage }, problem);
      }
    } catch (error) {
      if (signal.aborted) return;
      const details = { streamName, error: errorName(error) };
      log.debug(details, `data retention not known: ${errorMessage(error)}`);
    }
  }
}

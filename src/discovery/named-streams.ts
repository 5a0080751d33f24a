import {
  DescribeStreamCommand,
  type DescribeStreamCommandInput,
  type KinesisVideoClient,
} from '@aws-sdk/client-kinesis-video';
import { isAccessDenied } from '../core/access-denied.ts';
import type { Clock } from '../core/clock.ts';
import { errorName, KvsInferenceError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { askEach, reportFailures } from './ask-each.ts';
import { PacedCalls } from './calls.ts';
import {
  type DiscoveredStream,
  type Discovery,
  identifierOf,
  namedStream,
  parseStreamArn,
  type StreamArn,
} from './discovered-stream.ts';

export interface NamedStreamsOptions {
  /** Should not retry by itself. */
  kinesisVideo: Pick<KinesisVideoClient, 'send'>;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** What DescribeStream told of a configured name. */
type Finding =
  | { readonly state: 'there'; readonly streamArn: string }
  /** `successorArn`: of the stream that has the name now, where an ARN is configured and its stream is gone. */
  | { readonly state: 'missing'; readonly successorArn: string | null }
  | { readonly state: 'notPermitted' };

/** The quota is 300 a second for the account, which other applications share. */
const CALLS_PER_SECOND = 100;

/**
 * The streams that are named, as far as they exist: each is looked up with DescribeStream
 * (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_DescribeStream.html), as a role that names its
 * streams may not list all. What cannot be asked for is taken to be as it was last time, at first to be there.
 */
export class NamedStreams {
  readonly #options: NamedStreamsOptions;
  readonly #calls: PacedCalls;
  readonly #findings = new Map<string, Finding>();

  constructor(options: NamedStreamsOptions) {
    this.#options = options;
    this.#calls = new PacedCalls({ ...options, callsPerSecond: CALLS_PER_SECOND });
  }

  /**
   * @param streamNames names or ARNs
   * @throws only what `signal` aborts with
   */
  async find(streamNames: readonly string[], signal: AbortSignal): Promise<Discovery> {
    const wanted = new Set(streamNames);
    for (const name of this.#findings.keys()) if (!wanted.has(name)) this.#findings.delete(name);
    const { answers, failures } = await askEach(streamNames, (name) => this.#look(name, signal), signal);
    this.#reportChanges(answers);
    reportFailures(failures, 'streams cannot be looked up with DescribeStream, trying again', this.#options);
    for (const [name, finding] of answers) this.#findings.set(name, finding);
    const missing = [...answers.values()].filter(({ state }) => state === 'missing').length;
    if (missing > 0) this.#options.metrics.count('DiscoveryErrors', null, missing);
    return { streams: streamNames.flatMap((name) => this.#known(name)), isComplete: failures.size === 0 };
  }

  async #look(name: string, signal: AbortSignal): Promise<Finding> {
    const arn = parseStreamArn(name);
    try {
      const found = await this.#describe(identifierOf(namedStream(name)), signal);
      if (found !== null && (arn === null || found === name)) return { state: 'there', streamArn: found };
      const successorArn = arn === null ? null : (found ?? (await this.#successor(arn, signal)));
      return { state: 'missing', successorArn };
    } catch (error) {
      if (isAccessDenied(error)) return { state: 'notPermitted' };
      throw error;
    }
  }

  async #successor(arn: StreamArn, signal: AbortSignal): Promise<string | null> {
    try {
      const found = await this.#describe({ StreamName: arn.streamName }, signal);
      // The stream of another account or region can have a namesake here.
      return found !== null && parseStreamArn(found)?.place === arn.place ? found : null;
    } catch (error) {
      if (isAccessDenied(error)) return null;
      throw error;
    }
  }

  /** @returns the ARN, or null if there is no such stream or it is being deleted */
  async #describe(input: DescribeStreamCommandInput, signal: AbortSignal): Promise<string | null> {
    const command = new DescribeStreamCommand(input);
    const send = (abortSignal: AbortSignal) => this.#options.kinesisVideo.send(command, { abortSignal });
    try {
      const { StreamInfo } = await this.#calls.call('DescribeStream', send, signal);
      if (StreamInfo?.StreamARN === undefined) {
        throw new KvsInferenceError('NO_STREAM_ARN', 'DescribeStream answered without an ARN');
      }
      return StreamInfo.Status === 'DELETING' ? null : StreamInfo.StreamARN;
    } catch (error) {
      if (errorName(error) === 'ResourceNotFoundException') return null;
      throw error;
    }
  }

  #known(name: string): DiscoveredStream[] {
    const arn = parseStreamArn(name);
    const streamName = arn === null ? name : arn.streamName;
    const finding = this.#findings.get(name);
    if (finding?.state === 'missing') return [];
    if (finding?.state === 'there') return [{ streamName, streamArn: finding.streamArn }];
    return [{ streamName, streamArn: arn === null ? null : name }];
  }

  /** Says what has changed since the last look. */
  #reportChanges(answers: ReadonlyMap<string, Finding>): void {
    const { log } = this.#options;
    for (const [name, finding] of answers) {
      const before = this.#findings.get(name);
      if (finding.state === 'notPermitted') continue;
      if (finding.state === 'there') {
        if (before?.state === 'missing') log.info({ stream: name }, `stream "${name}" is there now`);
      } else if (before?.state !== 'missing' || before.successorArn !== finding.successorArn) {
        const { successorArn } = finding;
        const problem =
          successorArn === null
            ? `stream "${name}" does not exist or is being deleted: it is read as soon as it is there`
            : `stream "${name}" is gone, and its name belongs to "${successorArn}": configure that, or the name alone`;
        log.warn({ stream: name, successorArn }, problem);
      }
    }
  }
}

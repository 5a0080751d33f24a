import {
  type KinesisVideoClient,
  ListStreamsCommand,
  ListTagsForStreamCommand,
} from '@aws-sdk/client-kinesis-video';
import {
  GetResourcesCommand,
  type ResourceGroupsTaggingAPIClient,
} from '@aws-sdk/client-resource-groups-tagging-api';
import type { TagFilters } from '../config/resolve.ts';
import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName, KvsInferenceError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { askEach, reportFailures } from './ask-each.ts';
import { isNotPermitted, PacedCalls } from './calls.ts';
import { type Discovery, parseStreamArn } from './discovered-stream.ts';

export interface TaggedStreamsOptions {
  tagFilters: TagFilters;
  /** Neither client should retry by itself. */
  kinesisVideo: Pick<KinesisVideoClient, 'send'>;
  tagging: Pick<ResourceGroupsTaggingAPIClient, 'send'>;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** Pages come one after the other, hardly faster than this by themselves. */
const TAGGING_CALLS_PER_SECOND = 5;
/**
 * The quotas are 50 a second for ListStreams and 50 for ListTagsForStream
 * (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html), for the account.
 */
const CONTROL_PLANE_CALLS_PER_SECOND = 20;
const MAX_RESOURCES_PER_PAGE = 100;
const MAX_STREAMS_PER_PAGE = 1000;

/** Whether a stream with these tags is wanted: filters are ANDed, values ORed, and none match any. Pure. */
export function matchesTags(tags: Readonly<Record<string, string>>, tagFilters: TagFilters): boolean {
  return tagFilters.every(({ key, values }) => {
    const value = Object.hasOwn(tags, key) ? tags[key] : undefined;
    return value !== undefined && (values.length === 0 || values.includes(value));
  });
}

/**
 * The streams whose tags match every filter: by the Resource Groups Tagging API, which is eventually consistent and
 * tells nothing of a stream's status; where that is not permitted, by asking each stream of the account for its tags,
 * which takes a second for 20 streams. What cannot be asked for is taken to be as it was last time.
 */
export class TaggedStreams {
  readonly #options: TaggedStreamsOptions;
  readonly #taggingCalls: PacedCalls;
  readonly #controlPlaneCalls: PacedCalls;
  #arns: readonly string[] = [];
  #isFallbackReported = false;

  constructor(options: TaggedStreamsOptions) {
    this.#options = options;
    this.#taggingCalls = new PacedCalls({ ...options, callsPerSecond: TAGGING_CALLS_PER_SECOND });
    this.#controlPlaneCalls = new PacedCalls({ ...options, callsPerSecond: CONTROL_PLANE_CALLS_PER_SECOND });
  }

  /** @throws only what `signal` aborts with */
  async find(signal: AbortSignal): Promise<Discovery> {
    if (this.#options.tagFilters.length === 0) return { streams: [], isComplete: true };
    const isComplete = await this.#update(signal);
    const streams = this.#arns.flatMap((streamArn) => {
      const streamName = parseStreamArn(streamArn)?.streamName;
      return streamName === undefined ? [] : [{ streamName, streamArn }];
    });
    return { streams, isComplete };
  }

  /** @returns whether everything could be asked */
  async #update(signal: AbortSignal): Promise<boolean> {
    try {
      // Sorted, so that of two streams of one name it is always the same that is read.
      const { arns, isComplete } = await this.#matching(signal);
      this.#arns = [...arns].sort();
      return isComplete;
    } catch (error) {
      signal.throwIfAborted();
      const { log, metrics } = this.#options;
      metrics.count('DiscoveryErrors', null);
      log.error(
        { error: errorName(error), streams: this.#arns.length },
        `streams cannot be found by their tags, trying again: ${errorMessage(error)}`,
      );
      return false;
    }
  }

  async #matching(signal: AbortSignal): Promise<{ arns: readonly string[]; isComplete: boolean }> {
    try {
      const arns = await this.#getResources(signal);
      this.#isFallbackReported = false;
      return { arns, isComplete: true };
    } catch (error) {
      if (!isNotPermitted(error)) throw error;
    }
    if (!this.#isFallbackReported) {
      this.#isFallbackReported = true;
      this.#options.log.warn(
        'tag:GetResources is not permitted: each stream of the account is asked for its tags instead',
      );
    }
    return await this.#filterStreams(signal);
  }

  /** https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html */
  async #getResources(signal: AbortSignal): Promise<string[]> {
    const input = {
      ResourceTypeFilters: ['kinesisvideo:stream'],
      ResourcesPerPage: MAX_RESOURCES_PER_PAGE,
      TagFilters: this.#options.tagFilters.map(({ key, values }) => ({ Key: key, Values: values })),
    };
    const pages = await this.#taggingCalls.pages(
      'GetResources',
      (PaginationToken, abortSignal) => {
        const command = new GetResourcesCommand({ ...input, PaginationToken });
        return this.#options.tagging.send(command, { abortSignal });
      },
      ({ PaginationToken }) => PaginationToken,
      signal,
    );
    const resources = pages.flatMap(({ ResourceTagMappingList = [] }) => ResourceTagMappingList);
    return resources.flatMap(({ ResourceARN }) => ResourceARN ?? []);
  }

  async #filterStreams(signal: AbortSignal): Promise<{ arns: readonly string[]; isComplete: boolean }> {
    const { tagFilters } = this.#options;
    const all = await this.#listStreams(signal);
    const before = new Set(this.#arns);
    const denied = new Map<string, unknown>();
    const matches = async (arn: string) => {
      try {
        return matchesTags(await this.#tags(arn, signal), tagFilters);
      } catch (error) {
        if (!isNotPermitted(error)) throw error;
        // Asking again cannot help: what it was, it stays.
        denied.set(arn, error);
        return before.has(arn);
      }
    };
    const { answers, failures } = await askEach(all, matches, signal);
    reportFailures(failures, 'tags cannot be had with ListTagsForStream, trying again', this.#options);
    reportFailures(denied, 'tags may not be had with ListTagsForStream', this.#options);
    const arns = all.filter((arn) => answers.get(arn) ?? before.has(arn));
    return { arns, isComplete: failures.size === 0 };
  }

  /** https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_ListStreams.html */
  async #listStreams(signal: AbortSignal): Promise<string[]> {
    try {
      const pages = await this.#controlPlaneCalls.pages(
        'ListStreams',
        (NextToken, abortSignal) => {
          const command = new ListStreamsCommand({ MaxResults: MAX_STREAMS_PER_PAGE, NextToken });
          return this.#options.kinesisVideo.send(command, { abortSignal });
        },
        ({ NextToken }) => NextToken,
        signal,
      );
      const streams = pages.flatMap(({ StreamInfoList = [] }) => StreamInfoList);
      return streams.flatMap(({ Status, StreamARN }) => (Status === 'DELETING' ? [] : (StreamARN ?? [])));
    } catch (error) {
      if (!isNotPermitted(error)) throw error;
      const problem = 'neither tag:GetResources nor kinesisvideo:ListStreams is permitted';
      throw new KvsInferenceError('NOT_PERMITTED', problem, { cause: error });
    }
  }

  /** https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_ListTagsForStream.html; of a stream that is gone, none. */
  async #tags(StreamARN: string, signal: AbortSignal): Promise<Record<string, string>> {
    try {
      const pages = await this.#controlPlaneCalls.pages(
        'ListTagsForStream',
        (NextToken, abortSignal) => {
          const command = new ListTagsForStreamCommand({ StreamARN, NextToken });
          return this.#options.kinesisVideo.send(command, { abortSignal });
        },
        ({ NextToken }) => NextToken,
        signal,
      );
      return Object.assign({}, ...pages.map(({ Tags }) => Tags));
    } catch (error) {
      if (errorName(error) === 'ResourceNotFoundException') return {};
      throw error;
    }
  }
}

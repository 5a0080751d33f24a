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
import { errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { PacedCalls } from './calls.ts';

export interface TagCallsOptions {
  /** Neither client should retry by itself. */
  kinesisVideo: Pick<KinesisVideoClient, 'send'>;
  tagging: Pick<ResourceGroupsTaggingAPIClient, 'send'>;
  clock: Clock;
  log: Logger;
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

/** What is asked to find streams by their tags: paced, and every page of it. Each throws the service's last error. */
export class TagCalls {
  readonly #options: TagCallsOptions;
  readonly #taggingCalls: PacedCalls;
  readonly #controlPlaneCalls: PacedCalls;

  constructor(options: TagCallsOptions) {
    this.#options = options;
    this.#taggingCalls = new PacedCalls({ ...options, callsPerSecond: TAGGING_CALLS_PER_SECOND });
    this.#controlPlaneCalls = new PacedCalls({ ...options, callsPerSecond: CONTROL_PLANE_CALLS_PER_SECOND });
  }

  /**
   * ARNs of the streams whose tags match every filter, some of which may be gone
   * (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html).
   */
  async getResources(tagFilters: TagFilters, signal: AbortSignal): Promise<string[]> {
    const input = {
      ResourceTypeFilters: ['kinesisvideo:stream'],
      ResourcesPerPage: MAX_RESOURCES_PER_PAGE,
      TagFilters: tagFilters.map(({ key, values }) => ({ Key: key, Values: values })),
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

  /**
   * ARNs of all streams of the account that are not being deleted
   * (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_ListStreams.html).
   */
  async listStreams(signal: AbortSignal): Promise<string[]> {
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
  }

  /** https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_ListTagsForStream.html; of a stream that is gone, none. */
  async tagsOf(StreamARN: string, signal: AbortSignal): Promise<Record<string, string>> {
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

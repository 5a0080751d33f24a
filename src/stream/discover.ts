import {
  paginateGetResources,
  type ResourceGroupsTaggingAPIClient,
} from '@aws-sdk/client-resource-groups-tagging-api';
import type { Config } from '../config/schema.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';

/** The streams to read: those that are named, and those whose tags match every filter. */
export class StreamDiscovery {
  readonly #config: Pick<Config, 'streamNames' | 'tagFilters'>;
  readonly #tagging: ResourceGroupsTaggingAPIClient;
  readonly #log: Logger;
  #tagged: readonly string[] = [];

  constructor(options: {
    config: Pick<Config, 'streamNames' | 'tagFilters'>;
    tagging: ResourceGroupsTaggingAPIClient;
    log: Logger;
  }) {
    this.#config = options.config;
    this.#tagging = options.tagging;
    this.#log = options.log;
  }

  /** Names, without doubles. Where the tags cannot be asked for, those that matched last time stay. */
  async discover(signal: AbortSignal): Promise<string[]> {
    const { streamNames, tagFilters } = this.#config;
    if (tagFilters.length > 0) {
      try {
        this.#tagged = await taggedStreams(tagFilters, this.#tagging, signal);
      } catch (error) {
        signal.throwIfAborted();
        const details = { error: errorName(error), streams: this.#tagged.length };
        this.#log.error(
          details,
          `streams cannot be found by their tags, trying again: ${errorMessage(error)}`,
        );
      }
    }
    return [...new Set([...streamNames, ...this.#tagged])].sort();
  }
}

/** https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html */
async function taggedStreams(
  tagFilters: Config['tagFilters'],
  tagging: ResourceGroupsTaggingAPIClient,
  signal: AbortSignal,
): Promise<string[]> {
  const input = {
    ResourceTypeFilters: ['kinesisvideo:stream'],
    TagFilters: tagFilters.map(({ key, values }) => ({ Key: key, Values: values })),
  };
  const names: string[] = [];
  for await (const page of paginateGetResources({ client: tagging }, input, { abortSignal: signal })) {
    for (const { ResourceARN } of page.ResourceTagMappingList ?? []) {
      const name = streamNameOfArn(ResourceARN ?? '');
      if (name !== null) names.push(name);
    }
  }
  return names;
}

/** `arn:aws:kinesisvideo:REGION:ACCOUNT:stream/NAME/CREATION` → NAME. */
export function streamNameOfArn(arn: string): string | null {
  return /^arn:[^:]+:kinesisvideo:[^:]*:[^:]*:stream\/([^/]+)\//.exec(arn)?.[1] ?? null;
}

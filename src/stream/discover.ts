import {
  paginateGetResources,
  type ResourceGroupsTaggingAPIClient,
} from '@aws-sdk/client-resource-groups-tagging-api';
import type { Config } from '../config/schema.ts';

/**
 * The names of the streams to read: those that are named, and those whose tags match every filter
 * (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html).
 */
export async function discoverStreams(
  config: Pick<Config, 'streamNames' | 'tagFilters'>,
  tagging: ResourceGroupsTaggingAPIClient,
  signal: AbortSignal,
): Promise<string[]> {
  const names = new Set(config.streamNames);
  if (config.tagFilters.length > 0) {
    const input = {
      ResourceTypeFilters: ['kinesisvideo:stream'],
      TagFilters: config.tagFilters.map(({ key, values }) => ({ Key: key, Values: values })),
    };
    for await (const page of paginateGetResources({ client: tagging }, input, { abortSignal: signal })) {
      for (const { ResourceARN } of page.ResourceTagMappingList ?? []) {
        const name = streamNameOfArn(ResourceARN ?? '');
        if (name !== null) names.add(name);
      }
    }
  }
  return [...names].sort();
}

/** `arn:aws:kinesisvideo:REGION:ACCOUNT:stream/NAME/CREATION` → NAME. */
export function streamNameOfArn(arn: string): string | null {
  return /^arn:[^:]+:kinesisvideo:[^:]*:[^:]*:stream\/([^/]+)\//.exec(arn)?.[1] ?? null;
}

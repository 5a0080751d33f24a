import {
  GetResourcesCommand,
  type ResourceGroupsTaggingAPIClient,
} from '@aws-sdk/client-resource-groups-tagging-api';
import type { TagFilters } from '../config/resolve.ts';
import { type Check, ok, warning } from './check.ts';

const MAX_RESOURCES_PER_PAGE = 100;

/** @param next what is checked of the streams that match, given their ARNs */
export function taggedStreamsCheck(
  tagFilters: TagFilters,
  { tagging }: { tagging: Pick<ResourceGroupsTaggingAPIClient, 'send'> },
  next: (streamArns: readonly string[]) => readonly Check[],
): Check {
  return {
    name: 'GetResources',
    target: filtersText(tagFilters),
    async run(abortSignal) {
      const streamArns: string[] = [];
      let PaginationToken: string | undefined;
      do {
        const command: GetResourcesCommand = new GetResourcesCommand({
          ResourceTypeFilters: ['kinesisvideo:stream'],
          ResourcesPerPage: MAX_RESOURCES_PER_PAGE,
          TagFilters: tagFilters.map(({ key, values }) => ({ Key: key, Values: values })),
          PaginationToken,
        });
        const page = await tagging.send(command, { abortSignal });
        streamArns.push(
          ...(page.ResourceTagMappingList ?? []).flatMap(({ ResourceARN }) => ResourceARN ?? []),
        );
        PaginationToken = page.PaginationToken || undefined;
      } while (PaginationToken !== undefined);
      if (streamArns.length === 0) {
        return warning('no stream matches', 'tag the streams in this region, or correct tagFilters');
      }
      const streams = streamArns.length === 1 ? '1 stream matches' : `${streamArns.length} streams match`;
      return { ...ok(streams), next: next(streamArns.sort()) };
    },
  };
}

/** Filters are ANDed, the values of one ORed: `Location=Front|Parking and Camera`. */
function filtersText(tagFilters: TagFilters): string {
  return tagFilters
    .map(({ key, values }) => (values.length === 0 ? key : `${key}=${values.join('|')}`))
    .join(' and ');
}

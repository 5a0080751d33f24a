import { z } from 'zod';
import { AwsJsonError, type AwsJsonOperation } from './aws-json.ts';

export interface TaggedResource {
  readonly arn: string;
  readonly tags: Readonly<Record<string, string>>;
}

const getResourcesInput = z.object({
  PaginationToken: z.string().default(''),
  ResourcesPerPage: z.int().min(1).max(100).default(50),
  ResourceTypeFilters: z.array(z.string()).default([]),
  TagFilters: z
    .array(z.object({ Key: z.string(), Values: z.array(z.string()).max(20).default([]) }))
    .max(50)
    .default([]),
});

/**
 * The Resource Groups Tagging API's GetResources
 * (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html): filters are ANDed, the
 * values of one filter ORed, and a filter without values matches any.
 */
export function taggingOperations(
  resources: () => readonly TaggedResource[],
): Readonly<Record<string, AwsJsonOperation>> {
  return {
    'ResourceGroupsTaggingAPI_20170126.GetResources': (input) => {
      const { PaginationToken, ResourcesPerPage, ResourceTypeFilters, TagFilters } =
        getResourcesInput.parse(input);
      const from = Number(PaginationToken);
      if (!Number.isSafeInteger(from) || from < 0) {
        throw new AwsJsonError('PaginationTokenExpiredException', 'The pagination token is not valid.');
      }
      const matching = resources().filter(
        ({ arn, tags }) =>
          (ResourceTypeFilters.length === 0 || ResourceTypeFilters.some((type) => isOfType(arn, type))) &&
          TagFilters.every(({ Key, Values }) => {
            const value = Object.hasOwn(tags, Key) ? tags[Key] : undefined;
            return value !== undefined && (Values.length === 0 || Values.includes(value));
          }),
      );
      const to = from + ResourcesPerPage;
      return {
        PaginationToken: to < matching.length ? String(to) : '',
        ResourceTagMappingList: matching.slice(from, to).map(({ arn, tags }) => ({
          ResourceARN: arn,
          Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
        })),
      };
    },
  };
}

/** `kinesisvideo:stream`, or `kinesisvideo` for all of a service's. */
function isOfType(arn: string, type: string): boolean {
  const [, , service, , , resource = ''] = arn.split(':');
  const [wantedService, wantedResource] = type.split(':');
  return (
    service === wantedService && (wantedResource === undefined || resource.split('/')[0] === wantedResource)
  );
}

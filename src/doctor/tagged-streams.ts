import type { TagFilters } from '../config/resolve.ts';
import { isAccessDenied } from '../core/access-denied.ts';
import { errorText } from '../core/errors.ts';
import { askEach } from '../discovery/ask-each.ts';
import { parseStreamArn, unite } from '../discovery/discovered-stream.ts';
import type { TagCalls } from '../discovery/tag-calls.ts';
import { matchesTags } from '../discovery/tagged-streams.ts';
import { type Check, failed, type Outcome, ok, warning } from './check.ts';

export interface TaggedStreams {
  readonly tagFilters: TagFilters;
  /** Try again by themselves. */
  readonly calls: TagCalls;
  /** What is checked of the streams that match, given their ARNs. */
  readonly next: (streamArns: readonly string[]) => readonly Check[];
}

/** For all pages, which come one after the other. */
const LISTING_TIMEOUT_MILLIS = 120_000;
/** Twice as long as the calls are apart. */
const TIMEOUT_MILLIS_PER_STREAM = 100;
const REMEDY = 'permit tag:GetResources: then this is not needed';

/** Streams are found as the worker finds them: where tag:GetResources is not permitted, by the tags of each. */
export function taggedStreamsCheck(streams: TaggedStreams): Check {
  const { tagFilters, calls } = streams;
  return {
    name: 'GetResources',
    target: filtersText(tagFilters),
    timeoutMillis: LISTING_TIMEOUT_MILLIS,
    attempts: 1,
    whenDenied: [allStreamsCheck(streams)],
    run: async (signal) => outcomeOf(await calls.getResources(tagFilters, signal), streams),
  };
}

function allStreamsCheck(streams: TaggedStreams): Check {
  const { tagFilters, calls } = streams;
  return {
    name: 'ListStreams',
    target: filtersText(tagFilters),
    timeoutMillis: LISTING_TIMEOUT_MILLIS,
    attempts: 1,
    async run(signal): Promise<Outcome> {
      try {
        const all = await calls.listStreams(signal);
        return { ...ok(`${all.length} in this account and region`), next: [eachStreamCheck(all, streams)] };
      } catch (error) {
        if (!isAccessDenied(error)) throw error;
        return failed(`no stream can be found by its tags: ${errorText(error)}`, REMEDY);
      }
    },
  };
}

function eachStreamCheck(all: readonly string[], streams: TaggedStreams): Check {
  const { tagFilters, calls } = streams;
  return {
    name: 'ListTagsForStream',
    target: filtersText(tagFilters),
    timeoutMillis: LISTING_TIMEOUT_MILLIS + all.length * TIMEOUT_MILLIS_PER_STREAM,
    attempts: 1,
    async run(signal): Promise<Outcome> {
      const { answers, failures } = await askEach(all, (arn) => calls.tagsOf(arn, signal), signal);
      const outcome = outcomeOf(
        all.filter((arn) => matchesTags(answers.get(arn) ?? {}, tagFilters)),
        streams,
      );
      const [error] = failures.values();
      if (error === undefined) return outcome;
      const problem = `${outcome.detail}; the tags of ${failures.size} of ${all.length} streams cannot be had, so these are not found: ${errorText(error)}`;
      const verdict = answers.size === 0 ? failed(problem, REMEDY) : warning(problem, REMEDY);
      return { ...verdict, next: outcome.next ?? [] };
    },
  };
}

function outcomeOf(matching: readonly string[], { next }: TaggedStreams): Outcome {
  const streamArns = readable(matching);
  if (streamArns.length === 0) {
    return warning('no stream matches', 'tag the streams in this region, or correct tagFilters');
  }
  const found = streamArns.length === 1 ? '1 stream matches' : `${streamArns.length} streams match`;
  return { ...ok(found), next: next(streamArns) };
}

/** Those that the worker would read, in the order of their names: of each name one, and nothing that is no stream. */
function readable(arns: readonly string[]): string[] {
  const found = arns.flatMap((streamArn) => {
    const streamName = parseStreamArn(streamArn)?.streamName;
    return streamName === undefined ? [] : [{ streamName, streamArn }];
  });
  return unite(found).streams.flatMap(({ streamArn }) => streamArn ?? []);
}

/** Filters are ANDed, the values of one ORed: `Location=Front|Parking and Camera`. */
function filtersText(tagFilters: TagFilters): string {
  return tagFilters
    .map(({ key, values }) => (values.length === 0 ? key : `${key}=${values.join('|')}`))
    .join(' and ');
}

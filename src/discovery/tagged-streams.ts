import type { TagFilters } from '../config/resolve.ts';
import { isAccessDenied } from '../core/access-denied.ts';
import { errorMessage, errorName, KvsInferenceError } from '../core/errors.ts';
import type { Metrics } from '../core/metrics.ts';
import { askEach, reportFailures } from './ask-each.ts';
import { type Discovery, parseStreamArn } from './discovered-stream.ts';
import { TagCalls, type TagCallsOptions } from './tag-calls.ts';

export interface TaggedStreamsOptions extends TagCallsOptions {
  tagFilters: TagFilters;
  metrics: Metrics;
}

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
  readonly #calls: TagCalls;
  #arns: readonly string[] = [];

  constructor(options: TaggedStreamsOptions) {
    this.#options = options;
    this.#calls = new TagCalls(options);
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
      const arns = await this.#calls.getResources(this.#options.tagFilters, signal);
      return { arns, isComplete: true };
    } catch (error) {
      if (!isAccessDenied(error)) throw error;
    }
    return await this.#filterStreams(signal);
  }

  async #filterStreams(signal: AbortSignal): Promise<{ arns: readonly string[]; isComplete: boolean }> {
    const { tagFilters } = this.#options;
    const all = await this.#listStreams(signal);
    const before = new Set(this.#arns);
    const denied = new Map<string, unknown>();
    const matches = async (arn: string) => {
      try {
        return matchesTags(await this.#calls.tagsOf(arn, signal), tagFilters);
      } catch (error) {
        if (!isAccessDenied(error)) throw error;
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

  async #listStreams(signal: AbortSignal): Promise<string[]> {
    try {
      return await this.#calls.listStreams(signal);
    } catch (error) {
      if (!isAccessDenied(error)) throw error;
      const problem = 'neither tag:GetResources nor kinesisvideo:ListStreams is permitted';
      throw new KvsInferenceError('NOT_PERMITTED', problem, { cause: error });
    }
  }
}

import type { KinesisVideoClient } from '@aws-sdk/client-kinesis-video';
import type { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api';
import type { StreamSelection } from '../config/resolve.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { type Discovery, type NameClash, unite } from './discovered-stream.ts';
import { NamedStreams } from './named-streams.ts';
import { TaggedStreams } from './tagged-streams.ts';

export interface StreamDiscoveryOptions {
  /** Asked at each look. */
  selections: () => readonly StreamSelection[];
  /** Neither client should retry by itself: what retries here is paced and logged. */
  kinesisVideo: Pick<KinesisVideoClient, 'send'>;
  tagging: Pick<ResourceGroupsTaggingAPIClient, 'send'>;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** The streams to read: those that are named, and those whose tags match every filter, in any of the selections. */
export class StreamDiscovery {
  readonly #options: StreamDiscoveryOptions;
  readonly #named: NamedStreams;
  /** By their filters as JSON. */
  #tagged = new Map<string, TaggedStreams>();
  /** ARNs that were refused last time. */
  #refused: ReadonlySet<string> = new Set();

  constructor(options: StreamDiscoveryOptions) {
    this.#options = options;
    this.#named = new NamedStreams(options);
  }

  /**
   * Looks again, remembering the last look where something cannot be asked for. Each name is given once, in order.
   * What goes wrong is logged and counted. Not to be called again before it has ended.
   *
   * @throws only what `signal` aborts with
   */
  async discover(signal: AbortSignal): Promise<Discovery> {
    signal.throwIfAborted();
    const selections = this.#options.selections();
    const names = [...new Set(selections.flatMap(({ streamNames }) => streamNames))];
    this.#keepTagged(selections);
    const found = await Promise.all([
      this.#named.find(names, signal),
      ...[...this.#tagged.values()].map((tagged) => tagged.find(signal)),
    ]);
    const { streams, clashes } = unite(found.flatMap((discovery) => discovery.streams));
    this.#report(clashes);
    return { streams, isComplete: found.every(({ isComplete }) => isComplete) };
  }

  /** What is known of filters that are still wanted stays. */
  #keepTagged(selections: readonly StreamSelection[]): void {
    const before = this.#tagged;
    this.#tagged = new Map();
    for (const { tagFilters } of selections) {
      if (tagFilters.length === 0) continue;
      const key = JSON.stringify(tagFilters);
      this.#tagged.set(key, before.get(key) ?? new TaggedStreams({ ...this.#options, tagFilters }));
    }
  }

  #report(clashes: readonly NameClash[]): void {
    for (const clash of clashes) {
      const { streamName, keptArn, refusedArn } = clash;
      const level = this.#refused.has(refusedArn) ? 'debug' : 'error';
      this.#options.log[level](
        clash,
        `two streams are named "${streamName}": "${keptArn}" is read, "${refusedArn}" is not`,
      );
    }
    this.#refused = new Set(clashes.map(({ refusedArn }) => refusedArn));
  }
}

import type { KinesisVideoClient } from '@aws-sdk/client-kinesis-video';
import type { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { type Discovery, type NameClash, unite } from './discovered-stream.ts';
import { NamedStreams } from './named-streams.ts';
import { TaggedStreams } from './tagged-streams.ts';

export interface StreamDiscoveryOptions {
  config: Pick<Config, 'streamNames' | 'tagFilters'>;
  /** Neither client should retry by itself: what retries here is paced and logged. */
  kinesisVideo: Pick<KinesisVideoClient, 'send'>;
  tagging: Pick<ResourceGroupsTaggingAPIClient, 'send'>;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** The streams to read: those that are named, and those whose tags match every filter. */
export class StreamDiscovery {
  readonly #named: NamedStreams;
  readonly #tagged: TaggedStreams;
  readonly #log: Logger;
  /** ARNs that were refused last time. */
  #refused: ReadonlySet<string> = new Set();

  constructor(options: StreamDiscoveryOptions) {
    const { config, ...services } = options;
    this.#named = new NamedStreams({ ...services, streamNames: config.streamNames });
    this.#tagged = new TaggedStreams({ ...services, tagFilters: config.tagFilters });
    this.#log = options.log;
  }

  /**
   * Looks again, remembering the last look where something cannot be asked for. Each name is given once, in order.
   * What goes wrong is logged and counted. Not to be called again before it has ended.
   *
   * @throws only what `signal` aborts with
   */
  async discover(signal: AbortSignal): Promise<Discovery> {
    signal.throwIfAborted();
    const [named, tagged] = await Promise.all([this.#named.find(signal), this.#tagged.find(signal)]);
    const { streams, clashes } = unite([...named.streams, ...tagged.streams]);
    this.#report(clashes);
    return { streams, isComplete: named.isComplete && tagged.isComplete };
  }

  #report(clashes: readonly NameClash[]): void {
    for (const clash of clashes) {
      const { streamName, keptArn, refusedArn } = clash;
      const level = this.#refused.has(refusedArn) ? 'debug' : 'error';
      this.#log[level](
        clash,
        `two streams are named "${streamName}": "${keptArn}" is read, "${refusedArn}" is not`,
      );
    }
    this.#refused = new Set(clashes.map(({ refusedArn }) => refusedArn));
  }
}

import type { Config, EndpointConfig, TagFilters } from '../config/resolve.ts';
import { type Clock, pauseUnless } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { type Discovery, parseStreamArn } from '../discovery/discovered-stream.ts';
import type { SamplingPlan } from '../lease/sampling.ts';

export interface SamplingPlansOptions {
  /** In force now. */
  config: () => Config;
  /** Finds streams by their tags; keeps what it found last where it cannot ask. */
  findTagged: (tagFilters: TagFilters) => { find: (signal: AbortSignal) => Promise<Discovery> };
  /** Called at each turn of the loop, with the pause until the next one. */
  beat: (pauseMillis: number) => void;
  clock: Clock;
  log: Logger;
}

/** Streams by one endpoint's tag filters. */
interface Tagged {
  readonly finder: { find: (signal: AbortSignal) => Promise<Discovery> };
  /** Those that match, as far as could be asked. */
  names: ReadonlySet<string>;
  /** When the last look-up began that could ask everything, monotonic. */
  completeAt: number;
}

const RETRY_MILLIS = 5000;
/** A look-up may ask each stream of a large account, and no more than 20 a second. */
const LONGEST_LOOK_UP_MILLIS = 15 * 60_000;

/**
 * Tells which endpoints get a stream's frames, and how many of them. Names decide at once; where tags do, each worker
 * looks them up for itself, as often as the streams are looked up.
 */
export class SamplingPlans {
  readonly #options: SamplingPlansOptions;
  /** By their filters as JSON. */
  readonly #tagged = new Map<string, Tagged>();
  /** When a stream was asked for first, monotonic: a look-up before that may not have known it. */
  readonly #askedAt = new Map<string, number>();
  /** Since the last change. */
  readonly #plans = new Map<string, SamplingPlan>();
  /** Streams that no endpoint gets, as far as that was said. */
  readonly #unmatched = new Set<string>();
  #wake = new AbortController();

  constructor(options: SamplingPlansOptions) {
    this.#options = options;
  }

  /** The plan for a stream; null while the tags it depends on are not known. The same object until something changes. */
  planFor(streamName: string): SamplingPlan | null {
    const known = this.#plans.get(streamName);
    if (known !== undefined) return known;
    const { clock, config, log } = this.#options;
    const { endpoints } = config();
    if (!this.#askedAt.has(streamName)) {
      this.#askedAt.set(streamName, clock.monotonic());
      // A stream that was tagged a moment ago is not to wait for the next look-up.
      this.#wake.abort();
    }
    const matches = endpoints.map((endpoint) => ({ endpoint, isMatch: this.#matches(endpoint, streamName) }));
    if (matches.some(({ isMatch }) => isMatch === null)) return null;
    const plan: SamplingPlan = {
      endpoints: matches
        .filter(({ isMatch }) => isMatch)
        .map(({ endpoint: { name, acceptContentType, inferenceInterval } }) => ({
          name,
          acceptContentType,
          inferenceInterval,
        })),
      namesEndpoints: endpoints.length > 1,
    };
    if (plan.endpoints.length === 0 && !this.#unmatched.has(streamName)) {
      this.#unmatched.add(streamName);
      log.warn({ streamName }, 'no endpoint is configured for this stream: its frames are not sampled');
    }
    this.#plans.set(streamName, plan);
    return plan;
  }

  /** To be called when the configuration has changed. */
  configChanged(): void {
    this.#plans.clear();
    this.#unmatched.clear();
    this.#wake.abort();
  }

  /** Keeps the tags up to date until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { beat, config, clock } = this.#options;
    while (!signal.aborted) {
      beat(LONGEST_LOOK_UP_MILLIS);
      this.#wake = new AbortController();
      const isComplete = await this.#lookUp(signal).catch(() => false);
      const { leaseSyncIntervalInMilli: interval } = config();
      const pause = isComplete ? interval : Math.min(interval, RETRY_MILLIS);
      beat(pause);
      await pauseUnless(clock, pause, this.#wake, signal);
    }
  }

  /** @returns whether everything could be asked */
  async #lookUp(signal: AbortSignal): Promise<boolean> {
    const wanted = new Map<string, TagFilters>();
    for (const { streams } of this.#options.config().endpoints) {
      if (streams !== null && streams.tagFilters.length > 0) {
        wanted.set(JSON.stringify(streams.tagFilters), streams.tagFilters);
      }
    }
    for (const key of this.#tagged.keys()) if (!wanted.has(key)) this.#tagged.delete(key);
    let isComplete = true;
    for (const [key, tagFilters] of wanted) {
      const tagged = this.#tagged.get(key) ?? {
        finder: this.#options.findTagged(tagFilters),
        names: new Set<string>(),
        completeAt: Number.NEGATIVE_INFINITY,
      };
      this.#tagged.set(key, tagged);
      const beganAt = this.#options.clock.monotonic();
      const found = await tagged.finder.find(signal);
      isComplete &&= found.isComplete;
      tagged.names = new Set(found.streams.map(({ streamName }) => streamName));
      if (found.isComplete) tagged.completeAt = beganAt;
    }
    this.#plans.clear();
    return isComplete;
  }

  #matches({ streams }: EndpointConfig, streamName: string): boolean | null {
    if (streams === null) return true;
    const isNamed = streams.streamNames.some(
      (name) => (parseStreamArn(name)?.streamName ?? name) === streamName,
    );
    if (isNamed || streams.tagFilters.length === 0) return isNamed;
    const tagged = this.#tagged.get(JSON.stringify(streams.tagFilters));
    if (tagged === undefined) return null;
    if (tagged.names.has(streamName)) return true;
    return tagged.completeAt >= (this.#askedAt.get(streamName) ?? Number.POSITIVE_INFINITY) ? false : null;
  }
}

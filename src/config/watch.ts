import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { Occasional } from '../core/occasional.ts';
import { configError, type GoodConfig, parseConfig } from './parse.ts';
import type { Config } from './resolve.ts';
import type { ConfigKeys } from './schema.ts';

export interface ConfigWatchOptions {
  /** Reads the parameter's text, within a bounded time. */
  read: (signal: AbortSignal) => Promise<string>;
  /** Where it comes from, such as `ssm:my-app`. */
  origin: string;
  /** What the worker was started with. */
  initial: GoodConfig;
  /** Is handed each configuration that differs from the one before. */
  apply: (config: Config) => void;
  /** Called at each turn, with the pause until the next one. */
  beat: (pauseMillis: number) => void;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

export interface Change {
  readonly key: string;
  /** Undefined where the key is not given. */
  readonly before: unknown;
  readonly after: unknown;
}

const LINE_INTERVAL_MILLIS = 60_000;

/** What a worker and its fleet agreed on at the start. */
const FIXED_KEYS = [
  'leaseTable',
  'createLeaseTable',
  'failoverTimeInMilli',
] as const satisfies (keyof Config)[];

/**
 * Reads the configuration again and again, and applies what is right. What is wrong is refused whole: the last good
 * one stays. Runs until `signal` aborts.
 */
export async function watchConfig(options: ConfigWatchOptions, signal: AbortSignal): Promise<void> {
  const { read, origin, apply, beat, clock, log, metrics } = options;
  let { keys, config } = options.initial;
  let refusedText: string | null = null;
  const unreadable = new Occasional(clock, LINE_INTERVAL_MILLIS);
  while (!signal.aborted) {
    beat(config.configRefreshIntervalInMilli);
    await clock.sleep(config.configRefreshIntervalInMilli, signal).catch(() => undefined);
    if (signal.aborted) return;
    let text: string;
    try {
      text = await read(signal);
    } catch (error) {
      if (signal.aborted) return;
      metrics.count('ConfigErrors', null);
      const times = unreadable.count();
      const problem = `configuration cannot be read again, the last good one stays: ${errorMessage(error)}`;
      if (times !== null) log.warn({ origin, error: errorName(error), times }, problem);
      continue;
    }
    const parsed = parseConfig(text);
    if (parsed.config === null) {
      metrics.count('ConfigErrors', null);
      if (text !== refusedText) {
        const { message } = configError(origin, parsed.problems);
        log.error(
          { problems: parsed.problems },
          `configuration refused, the last good one stays: ${message}`,
        );
      }
      refusedText = text;
      continue;
    }
    if (refusedText !== null) log.info({ origin }, 'configuration is right again');
    refusedText = null;
    const found = changes(keys, parsed.keys);
    if (found.length === 0) continue;
    for (const change of found) report(change, log);
    keys = parsed.keys;
    config = { ...parsed.config, ...fixed(config) };
    apply(config);
  }
}

/** The keys that are given differently. Pure. */
export function changes(before: ConfigKeys, after: ConfigKeys): Change[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])] as (keyof ConfigKeys)[];
  return keys
    .filter((key) => key !== '$schema' && JSON.stringify(before[key]) !== JSON.stringify(after[key]))
    .map((key) => ({ key, before: before[key], after: after[key] }));
}

function report({ key, before, after }: Change, log: Logger): void {
  const text = (value: unknown) => (value === undefined ? '(default)' : JSON.stringify(value));
  const change = `${key}: ${text(before)} → ${text(after)}`;
  const details = { key, before, after };
  if (FIXED_KEYS.some((fixedKey) => fixedKey === key)) {
    log.warn(details, `configuration changed, takes effect at the next start: ${change}`);
  } else {
    log.info(details, `configuration changed: ${change}`);
  }
}

function fixed(config: Config): Pick<Config, (typeof FIXED_KEYS)[number]> {
  return Object.fromEntries(FIXED_KEYS.map((key) => [key, config[key]])) as Pick<
    Config,
    (typeof FIXED_KEYS)[number]
  >;
}

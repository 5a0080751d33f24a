import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';
import { METRICS, METRICS_NAMESPACE, type MetricName } from './metric-names.ts';

/** CloudWatch's limit for the values of one metric in one event. */
const MAX_VALUES = 100;
/** Between two lines. Each name is a metric of its own, which has its price. */
const MAX_ERRORS = 20;
/** What becomes the value of a dimension. */
const ERROR_NAME = /^[\w.-]{1,100}$/;
/** The errors that there are too many of, or without a proper name. */
const OTHER_ERRORS = 'Other';

/** Sums of counts and a bounded sample of observed values since the last line. */
interface Series {
  counts: Map<MetricName, number>;
  values: Map<MetricName, Values>;
}

interface Values {
  seen: number;
  max: number;
  sample: number[];
}

export interface MetricsOptions {
  log: Logger;
  clock: Clock;
  appName: string;
  /** Whether to write a line for each stream too, with the dimension `StreamName`; asked at each value. */
  perStream: () => boolean;
}

/**
 * Metrics as CloudWatch embedded metric format: lines in the log that CloudWatch extracts by itself
 * (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
 */
export class Metrics {
  readonly #options: MetricsOptions;
  readonly #application: Series = newSeries();
  readonly #streams = new Map<string, Series>();
  /** By error name. */
  readonly #errors = new Map<string, Series>();

  constructor(options: MetricsOptions) {
    // Metrics are not for people to filter: they are written at any log level.
    this.#options = { ...options, log: options.log.child({}, { level: 'info' }) };
  }

  /** Adds to a count. */
  count(name: MetricName, streamName: string | null, by = 1): void {
    for (const series of this.#seriesOf(streamName)) add(series, name, by);
  }

  /** Adds one to the count with the dimension `Error`, beside the one without. */
  countByError(name: MetricName, error: string): void {
    const hasRoom = this.#errors.has(error) || this.#errors.size < MAX_ERRORS;
    const known = hasRoom && ERROR_NAME.test(error) ? error : OTHER_ERRORS;
    add(of(this.#errors, known), name, 1);
  }

  /** Adds a value to a distribution. */
  observe(name: MetricName, streamName: string | null, value: number): void {
    for (const { values } of this.#seriesOf(streamName)) {
      const entry = values.get(name) ?? { seen: 0, max: value, sample: [] };
      values.set(name, entry);
      entry.seen += 1;
      entry.max = Math.max(entry.max, value);
      if (entry.sample.length < MAX_VALUES) {
        entry.sample.push(value);
      } else {
        // Reservoir sampling: every value has the same chance to be among the hundred.
        const index = Math.floor(Math.random() * entry.seen);
        if (index < MAX_VALUES) entry.sample[index] = value;
      }
    }
  }

  /** Writes what has gathered since the last call. */
  flush(): void {
    this.#write(this.#application, {});
    for (const [streamName, series] of this.#streams) this.#write(series, { StreamName: streamName });
    for (const [error, series] of this.#errors) this.#write(series, { Error: error });
    this.#errors.clear();
  }

  /** Forgets a stream that is no longer read. */
  remove(streamName: string): void {
    const series = this.#streams.get(streamName);
    if (series !== undefined) this.#write(series, { StreamName: streamName });
    this.#streams.delete(streamName);
  }

  #seriesOf(streamName: string | null): Series[] {
    if (streamName === null || !this.#options.perStream()) return [this.#application];
    return [this.#application, of(this.#streams, streamName)];
  }

  #write(series: Series, dimensions: Record<string, string>): void {
    const values: Partial<Record<MetricName, number | number[]>> = Object.fromEntries(series.counts);
    for (const [name, { max, sample }] of series.values) {
      // The one stream of many that stands still is to be seen.
      values[name] = sample.includes(max) ? sample : [...sample.slice(1), max];
    }
    const names = Object.keys(values) as MetricName[];
    series.counts = new Map();
    series.values = new Map();
    if (names.length === 0) return;
    const allDimensions = { AppName: this.#options.appName, ...dimensions };
    this.#options.log.info(
      {
        _aws: {
          Timestamp: this.#options.clock.now(),
          CloudWatchMetrics: [
            {
              Namespace: METRICS_NAMESPACE,
              Dimensions: [Object.keys(allDimensions)],
              Metrics: names.map((name) => ({ Name: name, Unit: METRICS[name] })),
            },
          ],
        },
        ...allDimensions,
        ...values,
      },
      'metrics',
    );
  }
}

function newSeries(): Series {
  return { counts: new Map(), values: new Map() };
}

function of(all: Map<string, Series>, key: string): Series {
  const series = all.get(key) ?? newSeries();
  all.set(key, series);
  return series;
}

function add({ counts }: Series, name: MetricName, by: number): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}

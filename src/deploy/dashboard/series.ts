import type { Statistic } from './widgets.ts';

/** A metric by its namespace, name and dimensions. */
export interface Metric {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

interface Sample {
  readonly millis: number;
  readonly values: readonly number[];
}

/** Times in milliseconds since the Unix epoch, each with its value. */
export type Points = ReadonlyArray<readonly [number, number]>;

interface EmbeddedMetrics {
  readonly _aws?: {
    readonly Timestamp: number;
    readonly CloudWatchMetrics: ReadonlyArray<{
      readonly Namespace: string;
      readonly Dimensions: readonly (readonly string[])[];
      readonly Metrics: readonly { readonly Name: string }[];
    }>;
  };
  readonly [name: string]: unknown;
}

/** What CloudWatch would make of the lines of a log: embedded metric format, gathered by metric. */
export class MetricStore {
  readonly #samples = new Map<string, { metric: Metric; samples: Sample[] }>();
  /** Of all lines. */
  firstMillis = Number.POSITIVE_INFINITY;
  lastMillis = Number.NEGATIVE_INFINITY;

  /** @param line JSON; what is no metrics is passed over */
  add(line: string): void {
    if (!line.includes('"CloudWatchMetrics"')) return;
    const fields = JSON.parse(line) as EmbeddedMetrics;
    if (fields._aws === undefined) return;
    const { Timestamp, CloudWatchMetrics } = fields._aws;
    this.firstMillis = Math.min(this.firstMillis, Timestamp);
    this.lastMillis = Math.max(this.lastMillis, Timestamp);
    for (const { Namespace, Dimensions, Metrics } of CloudWatchMetrics) {
      for (const names of Dimensions) {
        const dimensions = Object.fromEntries(names.map((name) => [name, String(fields[name])]));
        for (const { Name } of Metrics) {
          const values = [fields[Name]].flat().filter((value) => typeof value === 'number');
          this.#add({ namespace: Namespace, name: Name, dimensions }, { millis: Timestamp, values });
        }
      }
    }
  }

  /** Those with just these dimensions, whatever their values. */
  metrics(namespace: string, name: string, dimensionNames: readonly string[]): Metric[] {
    return [...this.#samples.values()]
      .map(({ metric }) => metric)
      .filter(
        (metric) =>
          metric.namespace === namespace &&
          metric.name === name &&
          Object.keys(metric.dimensions).sort().join() === [...dimensionNames].sort().join(),
      );
  }

  /** One point for each period that has data. */
  points(metric: Metric, stat: Statistic, periodMillis: number): Points {
    const periods = new Map<number, number[]>();
    for (const { millis, values } of this.#samples.get(key(metric))?.samples ?? []) {
      const start = Math.floor(millis / periodMillis) * periodMillis;
      periods.set(start, [...(periods.get(start) ?? []), ...values]);
    }
    return [...periods].sort(([a], [b]) => a - b).map(([start, values]) => [start, statistic(stat, values)]);
  }

  #add(metric: Metric, sample: Sample): void {
    const entry = this.#samples.get(key(metric)) ?? { metric, samples: [] };
    this.#samples.set(key(metric), entry);
    entry.samples.push(sample);
  }
}

function key({ namespace, name, dimensions }: Metric): string {
  return JSON.stringify([namespace, name, ...Object.entries(dimensions).sort().flat()]);
}

function statistic(stat: Statistic, values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const sum = values.reduce((total, value) => total + value, 0);
  switch (stat) {
    case 'Sum':
      return sum;
    case 'Average':
      return sum / values.length;
    case 'Minimum':
      return sorted[0] ?? Number.NaN;
    case 'Maximum':
      return sorted.at(-1) ?? Number.NaN;
    default: {
      const rank = Math.ceil((Number(stat.slice(1)) / 100) * sorted.length);
      return sorted[Math.max(rank, 1) - 1] ?? Number.NaN;
    }
  }
}

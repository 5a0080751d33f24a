import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';

/** Every metric, with its CloudWatch unit. The dashboard knows no others. */
export const METRICS = {
  /** Read from the streams. */
  BytesReceived: 'Bytes',
  FragmentsReceived: 'Count',
  FramesReceived: 'Count',
  IFramesReceived: 'Count',
  FramesSampled: 'Count',
  /** What became of the sampled frames. */
  FramesSent: 'Count',
  FramesSucceeded: 'Count',
  FramesFailed: 'Count',
  /** Given up to stay fresh: the queue was full, or the frame was too old at its turn. */
  FramesDropped: 'Count',
  FramesDroppedQueueFull: 'Count',
  FramesDroppedTooOld: 'Count',
  /** Not published here because the lease went to another worker, which reads them again. */
  FramesHandedOver: 'Count',
  ResultsPublished: 'Count',
  /** Trouble. */
  Reconnects: 'Count',
  StreamErrors: 'Count',
  Gaps: 'Count',
  GapDuration: 'Milliseconds',
  /** Video that live mode did not read after downtime. */
  Skips: 'Count',
  SkippedDuration: 'Milliseconds',
  /** Connections closed: silent for too long, or blocked by a full queue for too long. */
  ReaderStalls: 'Count',
  ReaderBlocks: 'Count',
  InvocationRetries: 'Count',
  PublishRetries: 'Count',
  Throttles: 'Count',
  /** An endpoint that is down: how often, and for how long so far. */
  EndpointPauses: 'Count',
  EndpointPausedTime: 'Milliseconds',
  PicturesReduced: 'Count',
  ResultsTooLarge: 'Count',
  ResultsStored: 'Count',
  /** The parameter could not be read again, or what it says was refused: 1 each time until it is mended. */
  ConfigErrors: 'Count',
  /** Leases: taken, handed over on request, let go because nothing could be read, lost to another worker. */
  LeasesTaken: 'Count',
  LeasesHandedOver: 'Count',
  LeasesLetGo: 'Count',
  LeasesLost: 'Count',
  LeaseTableErrors: 'Count',
  /** By the holder of the lease for synchronization. */
  LeaseSyncs: 'Count',
  LeaseSyncTime: 'Milliseconds',
  LeaseTotal: 'Count',
  Workers: 'Count',
  DiscoveryErrors: 'Count',
  /** Times and depths. */
  MillisBehindNow: 'Milliseconds',
  IngestToProcessLatency: 'Milliseconds',
  InvocationLatency: 'Milliseconds',
  QueueDepth: 'Count',
  QueueBytes: 'Bytes',
  ConcurrencyLimit: 'Count',
  LeasesHeld: 'Count',
} as const;

export type MetricName = keyof typeof METRICS;

export const METRICS_NAMESPACE = 'KvsInference';

/** CloudWatch's limit for the values of one metric in one event. */
const MAX_VALUES = 100;

/** Sums of counts and a bounded sample of observed values since the last line. */
interface Series {
  counts: Map<MetricName, number>;
  values: Map<MetricName, { seen: number; sample: number[] }>;
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

  constructor(options: MetricsOptions) {
    // Metrics are not for people to filter: they are written at any log level.
    this.#options = { ...options, log: options.log.child({}, { level: 'info' }) };
  }

  /** Adds to a count. */
  count(name: MetricName, streamName: string | null, by = 1): void {
    for (const { counts } of this.#seriesOf(streamName)) counts.set(name, (counts.get(name) ?? 0) + by);
  }

  /** Adds a value to a distribution. */
  observe(name: MetricName, streamName: string | null, value: number): void {
    for (const { values } of this.#seriesOf(streamName)) {
      const entry = values.get(name) ?? { seen: 0, sample: [] };
      values.set(name, entry);
      entry.seen += 1;
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
  }

  /** Forgets a stream that is no longer read. */
  remove(streamName: string): void {
    const series = this.#streams.get(streamName);
    if (series !== undefined) this.#write(series, { StreamName: streamName });
    this.#streams.delete(streamName);
  }

  #seriesOf(streamName: string | null): Series[] {
    if (streamName === null || !this.#options.perStream()) return [this.#application];
    let series = this.#streams.get(streamName);
    if (series === undefined) {
      series = newSeries();
      this.#streams.set(streamName, series);
    }
    return [this.#application, series];
  }

  #write(series: Series, dimensions: Record<string, string>): void {
    const values: Partial<Record<MetricName, number | number[]>> = Object.fromEntries(series.counts);
    for (const [name, { sample }] of series.values) values[name] = sample;
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

import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';

/**
 * Every metric, with its CloudWatch unit. The dashboard knows no others.
 *
 * What is counted is a number in each line: the sum since the line before. What is observed is a list of the values since
 * then, or, where there are more, the greatest and 99 others, chosen by chance.
 */
export const METRICS = {
  // Read from the streams.
  /** Of the bodies, with everything that is no video in them. */
  BytesReceived: 'Bytes',
  /** Complete ones. */
  FragmentsReceived: 'Count',
  /** Of complete fragments, of all tracks. */
  FramesReceived: 'Count',
  IFramesReceived: 'Count',
  /** How far reading is behind, as the service says after each fragment. */
  MillisBehindNow: 'Milliseconds',

  // A frame's way: where it goes to several endpoints it counts for each.
  /** Put into a queue. Each becomes one of FramesFailed, FramesDropped, FramesHandedOver and ResultsPublished. */
  FramesSampled: 'Count',
  /** Decoded, and sent for the first time. */
  FramesSent: 'Count',
  /** The endpoint has answered. */
  FramesSucceeded: 'Count',
  /** For good: no attempt will follow. Also by error name, with the dimension `Error`. */
  FramesFailed: 'Count',
  /** Given up to stay fresh: the queue was full, or the frame was too old at its turn. */
  FramesDropped: 'Count',
  FramesDroppedQueueFull: 'Count',
  FramesDroppedTooOld: 'Count',
  /** Not published here because the lease went to another worker, which reads them again. */
  FramesHandedOver: 'Count',
  ResultsPublished: 'Count',

  // How fresh the results are. The ages have a value for each leased stream at every metrics interval.
  /**
   * Of the frame of the newest published result, while newer video waits for one; else what it was when the result was
   * published. So it rises when anything on the way stands still, and not while a camera is idle.
   */
  NewestResultAge: 'Milliseconds',
  /** Of the fragment of the last written checkpoint, in the same sense: what a crash now would do again. */
  CheckpointAge: 'Milliseconds',
  /** From when the frame reached Kinesis Video Streams until its result was published. */
  IngestToProcessLatency: 'Milliseconds',
  /** From the producer's timestamp, where it gives one: with the way to the service, by the producer's clock. */
  ProducerToProcessLatency: 'Milliseconds',

  // The queues, and the endpoints behind them.
  /** Frames in all queues, waiting or under way. */
  QueueDepth: 'Count',
  /** Of these, as they are compressed. */
  QueueBytes: 'Bytes',
  /** Of a frame, from when it is in the queue until it has a slot for the first time: results that wait hold it up, too. */
  QueueWait: 'Milliseconds',
  /** Of a call that was answered, from its start to the whole answer. */
  InvocationLatency: 'Milliseconds',
  /** Calls that an endpoint gets at once at most, as found out by how it answers. */
  ConcurrencyLimit: 'Count',
  /** Calls of an endpoint under way, at the start of each. */
  ConcurrencyInUse: 'Count',
  InvocationRetries: 'Count',
  /** Calls that were refused because they are too many. */
  Throttles: 'Count',
  /** An endpoint that is down: how often, and for how long, counted while it lasts. */
  EndpointPauses: 'Count',
  EndpointPausedTime: 'Milliseconds',
  /** Made smaller than asked for, to fit into a call. */
  PicturesReduced: 'Count',

  // Publishing.
  PublishRetries: 'Count',
  /** Published without their output. */
  ResultsTooLarge: 'Count',
  /** Published with their output in S3. */
  ResultsStored: 'Count',

  // Trouble with reading.
  /** Bodies that ended, cleanly or not: each is followed by another one. */
  Reconnects: 'Count',
  /** That the service reports inside a body. */
  StreamErrors: 'Count',
  /** Video that is lost: the service has it no more, or it cannot be read. */
  Gaps: 'Count',
  GapDuration: 'Milliseconds',
  /** Video that live mode did not read after downtime. */
  Skips: 'Count',
  SkippedDuration: 'Milliseconds',
  /** Connections closed: silent for too long, or blocked by a full queue for too long. */
  ReaderStalls: 'Count',
  ReaderBlocks: 'Count',

  // The fleet.
  /** Of streams, by this worker. */
  LeasesHeld: 'Count',
  /** Leases: taken, handed over on request, let go because nothing could be read, lost to another worker. */
  LeasesTaken: 'Count',
  LeasesHandedOver: 'Count',
  LeasesLetGo: 'Count',
  LeasesLost: 'Count',
  LeaseTableErrors: 'Count',
  /** By the holder of the lease for synchronization: of the leases with the streams that there are. */
  LeaseSyncs: 'Count',
  LeaseSyncTime: 'Milliseconds',
  LeaseTotal: 'Count',
  Workers: 'Count',
  DiscoveryErrors: 'Count',
  /** The parameter could not be read again, or what it says was refused: 1 each time until it is mended. */
  ConfigErrors: 'Count',
} as const;

export type MetricName = keyof typeof METRICS;

export const METRICS_NAMESPACE = 'KvsInference';

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

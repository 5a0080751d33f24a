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
   * Of the frame of the newest published result, while a newer frame has none, a newer fragment cannot be read on, or
   * the stream cannot be read; else what it was when the result was published. So it rises when anything on the way
   * stands still and when every frame fails, but not while a camera is idle, nor between two samples. Where a frame
   * goes to several endpoints a result of any of them counts.
   */
  NewestResultAge: 'Milliseconds',
  /**
   * Of the fragment of the last written checkpoint, in the same sense, but newer video counts that nothing is sampled
   * of, too: what another worker would read again.
   */
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
  /** Streams that are named and do not exist, and look-ups that failed: each time they are looked up. */
  DiscoveryErrors: 'Count',
  /** The parameter could not be read again, or what it says was refused: 1 each time until it is mended. */
  ConfigErrors: 'Count',
} as const;

export type MetricName = keyof typeof METRICS;

export const METRICS_NAMESPACE = 'KvsInference';

import type { Clock } from '../core/clock.ts';
import type { Metrics } from '../core/metrics.ts';
import type { Checkpoint, CheckpointTracker } from '../lease/checkpoint.ts';
import type { StartPosition } from '../lease/lease.ts';
import { gapStart } from './gap-log.ts';
import { NewestAge } from './newest-age.ts';
import { type SampledFrame, type StreamFragment, serverMillisOf } from './sampled-frame.ts';

export interface StreamAgesOptions {
  streamName: string;
  /** Where the stream is read from without a checkpoint. */
  start: StartPosition;
  /** As it is when the tenure begins. */
  tracker: Pick<CheckpointTracker, 'checkpoint' | 'isIdle'>;
  clock: Clock;
  metrics: Metrics;
}

/** How old a stream's newest result and its written checkpoint are, in one tenure of its lease. */
export class StreamAges {
  readonly #options: StreamAgesOptions;
  readonly #results: NewestAge;
  readonly #checkpoints: NewestAge;
  #written: Checkpoint | null;

  constructor(options: StreamAgesOptions) {
    const { start, tracker } = options;
    this.#options = options;
    this.#written = tracker.checkpoint;
    // Outlasts the tenure: a stream that nobody can read is not young again with each.
    const { serverTimestampMillis: answeredMillis } = gapStart(tracker.checkpoint, start);
    const isWritten = () => tracker.checkpoint?.fragmentNumber === this.#written?.fragmentNumber;
    this.#results = new NewestAge({ answeredMillis, isUnderWay: () => !tracker.isIdle });
    const isCheckpointUnderWay = () => !tracker.isIdle || !isWritten();
    this.#checkpoints = new NewestAge({ answeredMillis, isUnderWay: isCheckpointUnderWay });
  }

  /** A fragment comes that has not been read to its end before. */
  videoCame({ serverTimestampMillis }: StreamFragment): void {
    for (const age of this.#both) age.videoCame(serverTimestampMillis);
  }

  /** A frame is sampled: a result is due, though the frame may fail. */
  handedOn(frame: Pick<SampledFrame, 'fragment' | 'frame'>): void {
    this.#results.handedOn(serverMillisOf(frame));
  }

  /** The fragment that came has been read to its end: without a sampled frame no result is due, but a checkpoint is. */
  fragmentRead({ serverTimestampMillis }: StreamFragment): void {
    this.#results.fragmentRead(serverTimestampMillis);
  }

  /** A body could not be had, or ended otherwise than it should. */
  readingFailed(): void {
    for (const age of this.#both) age.readingFailed(this.#options.clock.now());
  }

  /** A body has ended cleanly, and nothing new was in it. */
  caughtUp(): void {
    for (const age of this.#both) age.caughtUp(this.#options.clock.now());
  }

  /** A frame's result is in the data stream. */
  published(frame: Pick<SampledFrame, 'fragment' | 'frame'>): void {
    this.#results.came(serverMillisOf(frame), this.#options.clock.now());
  }

  /** The checkpoint is in the lease table. */
  checkpointWritten(checkpoint: Checkpoint): void {
    this.#written = checkpoint;
    this.#checkpoints.came(checkpoint.serverTimestampMillis, this.#options.clock.now());
  }

  /** Measures the values of now. */
  report(): void {
    const { clock, metrics, streamName } = this.#options;
    const now = clock.now();
    metrics.observe('NewestResultAge', streamName, this.#results.at(now));
    metrics.observe('CheckpointAge', streamName, this.#checkpoints.at(now));
  }

  get #both(): readonly NewestAge[] {
    return [this.#results, this.#checkpoints];
  }
}

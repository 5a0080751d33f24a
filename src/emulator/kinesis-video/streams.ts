import type { Clock } from '../../core/clock.ts';
import type { StoredFragment } from './fragment-log.ts';
import { ServiceError, streamNotFound } from './service-error.ts';
import { type StreamSettings, VideoStream } from './video-stream.ts';

export interface Retention {
  /** Fragments a stream keeps. */
  fragments: number;
  /** How long a fragment is kept, milliseconds. */
  millis: number;
  /** Bytes kept of all streams together. */
  bytes: number;
}

export interface StreamsOptions {
  clock: Clock;
  retention: Retention;
  region: string;
  accountId: string;
}

/** How a request names its stream. */
export interface StreamReference {
  StreamName?: string | null | undefined;
  StreamARN?: string | null | undefined;
}

const MILLIS_PER_HOUR = 3_600_000;

/** All streams, and what they keep: the oldest fragments go first. */
export class Streams {
  readonly #options: StreamsOptions;
  readonly #streams = new Map<string, VideoStream>();
  #lastCreationMillis = 0;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  /** @throws {ServiceError} ResourceInUseException */
  create(name: string, settings: StreamSettings, tags: ReadonlyMap<string, string>): VideoStream {
    if (this.#streams.has(name)) {
      throw new ServiceError('ResourceInUseException', `The stream "${name}" exists already.`);
    }
    const { clock, region, accountId } = this.#options;
    // A stream that is created again is another stream: its ARN differs.
    const creationMillis = Math.max(Math.trunc(clock.now()), this.#lastCreationMillis + 1);
    this.#lastCreationMillis = creationMillis;
    const arn = `arn:aws:kinesisvideo:${region}:${accountId}:stream/${name}/${creationMillis}`;
    const stream = new VideoStream({ name, arn, creationMillis, settings, tags });
    this.#streams.set(name, stream);
    return stream;
  }

  /** @throws {ServiceError} ResourceNotFoundException, InvalidArgumentException */
  get({ StreamName: name, StreamARN: arn }: StreamReference): VideoStream {
    if (name == null && arn == null) {
      throw new ServiceError('InvalidArgumentException', 'Either StreamName or StreamARN is needed.');
    }
    const stream = this.#streams.get(name ?? nameInArn(arn ?? ''));
    if (stream === undefined || (arn != null && stream.arn !== arn)) throw streamNotFound();
    return stream;
  }

  delete(stream: VideoStream): void {
    this.#streams.delete(stream.name);
    stream.delete();
  }

  /** In the order of their names. */
  list(): VideoStream[] {
    return [...this.#streams.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  append(stream: VideoStream, fragment: StoredFragment): void {
    stream.append(fragment);
    this.evict(stream);
    this.#evictBytes();
  }

  /** Drops what the stream no longer keeps. Time passes unseen: call it before reading. */
  evict({ log, settings }: VideoStream): void {
    const { clock, retention } = this.#options;
    const hours = settings.dataRetentionInHours;
    const keptMillis = Math.min(retention.millis, hours > 0 ? hours * MILLIS_PER_HOUR : retention.millis);
    const oldestKept = clock.now() - keptMillis;
    while (
      log.fragments.length > retention.fragments ||
      (log.oldest !== undefined && log.oldest.serverTimestampMillis < oldestKept)
    ) {
      log.evictOldest();
    }
  }

  #evictBytes(): void {
    const logs = [...this.#streams.values()].map(({ log }) => log);
    let bytes = logs.reduce((sum, log) => sum + log.bytes, 0);
    while (bytes > this.#options.retention.bytes) {
      const oldest = logs.reduce((a, b) => (ageKey(a.oldest) <= ageKey(b.oldest) ? a : b));
      bytes -= oldest.bytes;
      oldest.evictOldest();
      bytes += oldest.bytes;
    }
  }
}

function ageKey(oldest: StoredFragment | undefined): number {
  return oldest?.serverTimestampMillis ?? Number.POSITIVE_INFINITY;
}

function nameInArn(arn: string): string {
  return arn.split('/')[1] ?? '';
}

import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Clock } from '../../core/clock.ts';
import { closeSignal, sleepUntil, write } from './connection.ts';
import type { StoredFragment } from './fragment-log.ts';
import { fragmentNotFound, fragmentPieces } from './media-body.ts';
import { parseRequest, streamReference } from './request.ts';
import { ServiceError } from './service-error.ts';
import { startPosition, startSelectorSchema } from './start-selector.ts';
import type { Streams } from './streams.ts';
import type { VideoStream } from './video-stream.ts';

export interface GetMediaLimits {
  /** A body ends after this long with nothing to send, milliseconds. */
  idleMillis: number;
  /** A body ends with the first fragment after this long, milliseconds. */
  connectionMillis: number;
  /** Open connections a stream. */
  connections: number;
  /** Calls a stream in a second. */
  callsPerSecond: number;
}

export interface GetMediaOptions {
  streams: Streams;
  clock: Clock;
  limits: GetMediaLimits;
}

const requestSchema = z.object({ ...streamReference, StartSelector: startSelectorSchema });

/**
 * Checks a GetMedia call and takes one of the stream's connections for it.
 *
 * @returns what sends the body; resolves when the connection is free again
 * @throws {ServiceError}
 */
export function openGetMedia(
  body: unknown,
  options: GetMediaOptions,
): (response: ServerResponse) => Promise<void> {
  const { streams, clock, limits } = options;
  const request = parseRequest(requestSchema, body);
  const stream = streams.get(request);
  if (!stream.getMediaCalls.take(clock.monotonic(), limits.callsPerSecond)) {
    throw new ServiceError(
      'ClientLimitExceededException',
      `More than ${limits.callsPerSecond} GetMedia calls in a second for the stream "${stream.name}".`,
    );
  }
  if (stream.readers >= limits.connections) {
    throw new ServiceError(
      'ConnectionLimitExceededException',
      `The stream "${stream.name}" has ${limits.connections} GetMedia connections already.`,
    );
  }
  stream.readers += 1;
  streams.evict(stream);
  const position = startPosition(request.StartSelector, stream.log);
  return async (response) => {
    try {
      await new MediaSender(stream, response, options).send(position);
    } finally {
      stream.readers -= 1;
    }
  };
}

/** Sends stored fragments at the reader's pace, each as soon as it is stored. */
class MediaSender {
  readonly #stream: VideoStream;
  readonly #response: ServerResponse;
  readonly #closed: AbortSignal;
  readonly #options: GetMediaOptions;
  readonly #startMonotonic: number;
  #sentMonotonic: number;

  constructor(stream: VideoStream, response: ServerResponse, options: GetMediaOptions) {
    this.#stream = stream;
    this.#response = response;
    this.#closed = closeSignal(response);
    this.#options = options;
    this.#startMonotonic = options.clock.monotonic();
    this.#sentMonotonic = this.#startMonotonic;
  }

  /** @param position null where the requested fragment is not kept */
  async send(position: string | null): Promise<void> {
    this.#response.writeHead(200, { 'content-type': 'video/webm', 'x-amzn-RequestId': randomUUID() });
    this.#response.flushHeaders();
    let last = position;
    while (!this.#isOver) {
      const next = last === null ? 'notFound' : this.#next(last);
      if (next === 'notFound') {
        await write(this.#response, fragmentNotFound());
        break;
      }
      if (next === undefined) {
        const millis = this.#idleMillis;
        if (millis <= 0) break;
        await this.#waitForChange(millis);
      } else {
        if (!(await this.#sendFragment(next))) break;
        last = next.fragmentNumber;
      }
    }
    if (!this.#closed.aborted) this.#response.end();
  }

  #next(position: string): StoredFragment | 'notFound' | undefined {
    this.#options.streams.evict(this.#stream);
    const { log } = this.#stream;
    return log.evictedThrough > position ? 'notFound' : log.after(position);
  }

  async #sendFragment(fragment: StoredFragment): Promise<boolean> {
    const { clock } = this.#options;
    for (const piece of fragmentPieces(fragment, () => clock.now())) {
      if (!(await write(this.#response, piece))) return false;
    }
    this.#sentMonotonic = clock.monotonic();
    return true;
  }

  get #isOver(): boolean {
    return this.#closed.aborted || this.#stream.isDeleted || this.#connectionMillis <= 0;
  }

  get #connectionMillis(): number {
    const { clock, limits } = this.#options;
    return this.#startMonotonic + limits.connectionMillis - clock.monotonic();
  }

  /** Until the reader has waited long enough. The service sends what it receives: that is no idle time. */
  get #idleMillis(): number {
    const { clock, limits } = this.#options;
    const busyMonotonic = Math.max(this.#sentMonotonic, this.#stream.receivedMonotonic);
    return busyMonotonic + limits.idleMillis - clock.monotonic();
  }

  async #waitForChange(millis: number): Promise<void> {
    const wait = new AbortController();
    const wake = () => wait.abort();
    this.#stream.events.once('change', wake);
    this.#closed.addEventListener('abort', wake);
    await sleepUntil(this.#options.clock, Math.min(millis, this.#connectionMillis), wait.signal);
    this.#stream.events.off('change', wake);
    this.#closed.removeEventListener('abort', wake);
  }
}

import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Clock } from '../../core/clock.ts';
import { AckError, type AckedFragment, ackLine, errorAckLine } from './ack.ts';
import { closeSignal, hangUp, sleepUntil, write } from './connection.ts';
import { type FragmentEvent, FragmentParser, type ParsedFragment } from './fragment-parser.ts';
import { refuse } from './http.ts';
import { parseRequest, streamReference } from './request.ts';
import { ServiceError } from './service-error.ts';
import type { Streams } from './streams.ts';
import type { Producer, VideoStream } from './video-stream.ts';

export interface PutMediaOptions {
  streams: Streams;
  clock: Clock;
  /** A connection that brings nothing for this long is ended, milliseconds. */
  idleMillis: number;
}

const headersSchema = z.object({
  ...streamReference,
  FragmentTimecodeType: z.enum(['ABSOLUTE', 'RELATIVE']),
  /** Seconds since the Unix epoch, with a fraction. */
  ProducerStartTimestamp: z.coerce.number().nonnegative().optional(),
});

/**
 * Receives one PutMedia call: stores its fragments and acknowledges them, or refuses it.
 *
 * @returns when the connection is done with
 */
export async function putMedia(
  request: IncomingMessage,
  response: ServerResponse,
  options: PutMediaOptions,
): Promise<void> {
  let call: PutMediaCall;
  try {
    call = readHeaders(request.headers, options.streams);
  } catch (error) {
    return refuse(request, response, options.clock, error);
  }
  const receiver = new MediaReceiver({ ...options, ...call, request, response });
  call.stream.producers.add(receiver);
  try {
    await receiver.receive();
  } finally {
    call.stream.producers.delete(receiver);
  }
}

interface PutMediaCall {
  readonly stream: VideoStream;
  /** What timecodes are added to, milliseconds since the Unix epoch. */
  readonly originMillis: number;
}

/** @throws {ServiceError} */
function readHeaders(headers: IncomingHttpHeaders, streams: Streams): PutMediaCall {
  const call = parseRequest(headersSchema, {
    StreamName: headers['x-amzn-stream-name'],
    StreamARN: headers['x-amzn-stream-arn'],
    FragmentTimecodeType: headers['x-amzn-fragment-timecode-type'],
    ProducerStartTimestamp: headers['x-amzn-producer-start-timestamp'],
  });
  if (call.StreamName != null && call.StreamARN != null) {
    throw new ServiceError('InvalidArgumentException', 'Either StreamName or StreamARN, not both.');
  }
  const stream = streams.get(call);
  if (call.FragmentTimecodeType === 'ABSOLUTE') return { stream, originMillis: 0 };
  if (call.ProducerStartTimestamp === undefined) {
    throw new ServiceError(
      'InvalidArgumentException',
      'ProducerStartTimestamp: RELATIVE timecodes need the time that they are relative to',
    );
  }
  return { stream, originMillis: Math.round(call.ProducerStartTimestamp * 1000) };
}

interface StartedFragment extends AckedFragment {
  readonly serverTimestampMillis: number;
  readonly producerTimestampMillis: number;
}

interface ReceiverOptions extends PutMediaOptions, PutMediaCall {
  request: IncomingMessage;
  response: ServerResponse;
}

/** Receives one body, stores its fragments and acknowledges them. What a lost connection left open is forgotten. */
class MediaReceiver implements Producer {
  readonly #options: ReceiverOptions;
  readonly #closed: AbortSignal;
  readonly #parser = new FragmentParser();
  #open: StartedFragment | null = null;
  #isFirst = true;
  #receivedMonotonic: number;
  /** Set when the service ends the connection; what still comes is read and ignored. */
  #end: Promise<void> | null = null;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#closed = closeSignal(options.response);
    this.#receivedMonotonic = options.clock.monotonic();
  }

  get openFragmentNumber(): string | null {
    return this.#open?.fragmentNumber ?? null;
  }

  displace(): void {
    this.#endConnection();
  }

  async receive(): Promise<void> {
    const { request, response, stream } = this.#options;
    response.writeHead(200, { 'content-type': 'application/json', 'x-amzn-RequestId': randomUUID() });
    response.flushHeaders();
    const watch = () => {
      if (stream.isDeleted) this.#fail(new AckError('STREAM_NOT_ACTIVE', 'the stream was deleted'));
    };
    stream.events.on('change', watch);
    const idle = this.#endWhenIdle();
    try {
      for await (const chunk of request) await this.#handle(() => this.#parser.read(chunk));
      await this.#handle(() => this.#parser.end());
      if (this.#end === null) response.end();
    } catch (error) {
      if (!request.destroyed) throw error;
    } finally {
      this.#open = null;
      stream.events.off('change', watch);
    }
    await Promise.all([idle, this.#end]);
  }

  async #handle(parse: () => Iterable<FragmentEvent>): Promise<void> {
    if (this.#end !== null) return;
    const { clock, stream, response } = this.#options;
    this.#receivedMonotonic = clock.monotonic();
    stream.receivedMonotonic = this.#receivedMonotonic;
    try {
      for (const event of parse()) {
        if (event.type === 'start') await write(response, this.#start(event.timecodeMillis));
        else if (this.#open !== null) await write(response, this.#store(this.#open, event));
        if (this.#end !== null) return;
      }
    } catch (error) {
      if (!(error instanceof AckError)) throw error;
      this.#fail(error);
    }
  }

  /** @returns the acknowledgement */
  #start(timecodeMillis: number): string {
    const { clock, stream, originMillis } = this.#options;
    const serverTimestampMillis = clock.now();
    const fragmentNumber = stream.numbers.next(serverTimestampMillis, this.#isFirst);
    this.#isFirst = false;
    this.#open = {
      fragmentNumber,
      timecodeMillis,
      serverTimestampMillis,
      producerTimestampMillis: originMillis + timecodeMillis,
    };
    return ackLine('BUFFERING', this.#open);
  }

  /** @returns the acknowledgements */
  #store(open: StartedFragment, { header, content, durationMillis }: ParsedFragment): string {
    const { clock, stream, streams } = this.#options;
    this.#open = null;
    streams.append(stream, {
      ...open,
      serverEndMillis: clock.now(),
      producerEndMillis: open.producerTimestampMillis + durationMillis,
      header,
      content,
    });
    const received = ackLine('RECEIVED', open);
    return stream.settings.dataRetentionInHours > 0 ? received + ackLine('PERSISTED', open) : received;
  }

  #fail(error: AckError): void {
    this.#endConnection(errorAckLine(error, this.#open));
  }

  #endConnection(lastAck = ''): void {
    const { request, response, clock } = this.#options;
    this.#end ??= hangUp(request, response, clock, lastAck);
    this.#open = null;
  }

  async #endWhenIdle(): Promise<void> {
    const { clock, idleMillis } = this.#options;
    while (!this.#closed.aborted) {
      const millis = this.#receivedMonotonic + idleMillis - clock.monotonic();
      if (millis <= 0) return this.#endConnection();
      await sleepUntil(clock, millis, this.#closed);
    }
  }
}

import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';
import {
  EBML_HEADER,
  element,
  simpleBlock,
  tagsElement,
  unknownSizeHeader,
} from '../../../src/emulator/matroska-writer.ts';
import { ElementId } from '../../../src/matroska/elements.ts';

/*
 * What AWS's own producer sends: one EBML header, a Segment and Clusters of unknown size, sizes of 8 bytes, and the
 * tag AWS_KINESISVIDEO_END_OF_FRAGMENT at the end.
 */

export const VIDEO = { trackNumber: 1, trackType: 1, codecId: 'V_MPEG4/ISO/AVC' };
export const AUDIO = { trackNumber: 2, trackType: 2, codecId: 'A_AAC' };

/** @param more what else stands before the first Cluster */
export function streamHeader(tracks: readonly (typeof VIDEO)[] = [VIDEO], ...more: Buffer[]): Buffer {
  const entries = tracks.map(({ trackNumber, trackType, codecId }) =>
    element(ElementId.TrackEntry, [
      element(ElementId.TrackNumber, trackNumber),
      element(ElementId.TrackType, trackType),
      element(ElementId.CodecID, codecId),
      element(ElementId.CodecPrivate, Buffer.from('0164001f', 'hex')),
    ]),
  );
  return Buffer.concat([
    EBML_HEADER,
    unknownSizeHeader(ElementId.Segment, 1),
    element(ElementId.Info, [element(ElementId.TimestampScale, Buffer.from('00000000000f4240', 'hex'))]),
    element(ElementId.Tracks, entries, 4),
    ...more,
  ]);
}

export interface BlockOptions {
  trackNumber?: number;
  timecode?: number;
  keyFrame?: boolean;
  payload?: Buffer;
}

export function block(options: BlockOptions = {}): Buffer {
  const {
    trackNumber = 1,
    timecode = 0,
    keyFrame = timecode === 0,
    payload = Buffer.from('frame'),
  } = options;
  return simpleBlock({ trackNumber, timecode, keyFrame, payload }, 8);
}

export function clusterStart(timecode: number): Buffer {
  const timestamp = Buffer.alloc(8);
  timestamp.writeBigUInt64BE(BigInt(timecode));
  return Buffer.concat([
    unknownSizeHeader(ElementId.Cluster, 1),
    element(ElementId.Timestamp, timestamp),
    element(0xa7, 0), // Position
  ]);
}

/** A Cluster with one key frame, unless other blocks are given. */
export function cluster(timecode: number, ...blocks: Buffer[]): Buffer {
  return Buffer.concat([clusterStart(timecode), ...(blocks.length === 0 ? [block()] : blocks)]);
}

export const END_OF_FRAGMENT = tagsElement({ AWS_KINESISVIDEO_END_OF_FRAGMENT: '' }, 8);

export interface Ack {
  EventType: string;
  FragmentTimecode?: number;
  FragmentNumber?: string;
  ErrorId?: number;
  ErrorCode?: string;
}

/** One PutMedia request, held open. */
export class ProducerConnection {
  readonly #request: ClientRequest;
  readonly response: IncomingMessage;
  /** Until the response ends. */
  readonly acks: AsyncIterator<Ack>;

  private constructor(request: ClientRequest, response: IncomingMessage) {
    this.#request = request;
    this.response = response;
    this.acks = readAcks(response);
  }

  /** Resolves as soon as the status is known, the body not begun. */
  static async open(
    url: string,
    streamName: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ProducerConnection> {
    const call = request(`${url}/putMedia`, {
      method: 'POST',
      agent: false,
      headers: {
        host: '127.0.0.1',
        'content-type': 'application/json',
        'transfer-encoding': 'chunked',
        'x-amzn-stream-name': streamName,
        'x-amzn-fragment-timecode-type': 'ABSOLUTE',
        'x-amzn-producer-start-timestamp': '1795224392.458',
        'x-amzn-fragment-acknowledgment-required': '1',
        expect: '100-continue',
        ...headers,
      },
    });
    // A connection that the service ends mid-request.
    call.on('error', () => undefined);
    const responded = once(call, 'response');
    call.flushHeaders();
    const [response] = (await responded) as [IncomingMessage];
    return new ProducerConnection(call, response);
  }

  send(...parts: Buffer[]): void {
    for (const part of parts) this.#request.write(part);
  }

  /** Resolves when the peer can take more. */
  async sendAll(part: Buffer): Promise<void> {
    if (!this.#request.write(part)) await once(this.#request, 'drain');
  }

  /** Ends the body. */
  end(): void {
    this.#request.end();
  }

  /** Cuts the connection. */
  cut(): void {
    this.#request.destroy();
  }

  async ack(): Promise<Ack> {
    const { value, done } = await this.acks.next();
    if (done) throw new Error('The response ended without a further acknowledgement');
    return value;
  }

  /** The event types of the next acknowledgements. */
  async events(count: number): Promise<string[]> {
    const events: string[] = [];
    while (events.length < count) events.push((await this.ack()).EventType);
    return events;
  }

  /** Resolves when the fragment that was sent last is stored. */
  async stored(): Promise<Ack> {
    while (true) {
      const ack = await this.ack();
      if (ack.EventType === 'PERSISTED') return ack;
    }
  }

  async remaining(): Promise<Ack[]> {
    const acks: Ack[] = [];
    for (let next = await this.acks.next(); !next.done; next = await this.acks.next()) acks.push(next.value);
    return acks;
  }
}

async function* readAcks(response: IncomingMessage): AsyncGenerator<Ack, void, undefined> {
  for await (const line of createInterface({ input: response })) yield JSON.parse(line) as Ack;
}

/** Stores one fragment for each timecode through one connection. */
export async function produce(
  url: string,
  streamName: string,
  timecodes: readonly number[],
  payload = Buffer.from('frame'),
): Promise<string[]> {
  const connection = await ProducerConnection.open(url, streamName);
  const numbers: string[] = [];
  connection.send(streamHeader());
  for (const timecode of timecodes) {
    await connection.sendAll(Buffer.concat([cluster(timecode, block({ payload })), END_OF_FRAGMENT]));
    numbers.push((await connection.stored()).FragmentNumber ?? '');
  }
  connection.end();
  await connection.remaining();
  return numbers;
}

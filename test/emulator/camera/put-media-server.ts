import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MatroskaDemuxer, type Tracks } from '../../../src/matroska/demuxer.ts';
import type { Frame } from '../../../src/matroska/frame.ts';

export interface ReceivedFragment {
  timecodeMillis: number;
  readonly frames: Frame[];
}

export interface ReceivedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly fragments: ReceivedFragment[];
  tracks: Tracks;
  /** What was received, one character a byte. */
  body: string;
  /** Whether the body came to its end. */
  isEnded: boolean;
}

export interface Answer {
  acknowledge(eventType: string, fields: Record<string, unknown>): void;
  end(): void;
  /** Cuts the connection. */
  cut(): void;
}

/** Takes PutMedia requests, and answers each frame as a test says. */
export class PutMediaServer {
  readonly requests: ReceivedRequest[] = [];
  /** By default a fragment is acknowledged when the next one starts, and at the end. */
  onFrame: (request: ReceivedRequest, answer: Answer) => void = acknowledgePrevious;
  /** Whether the answer ends when the body does. */
  endsAnswers = true;
  /** Of the next answers; 200 when they are used up. */
  readonly statusCodes: number[] = [];
  readonly #server = createServer((request, response) => {
    this.#receive(request, response).catch(() => request.destroy());
  });

  /** @returns the endpoint */
  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  /** The fragments of all requests. */
  get fragments(): ReceivedFragment[] {
    return this.requests.flatMap(({ fragments }) => fragments);
  }

  get frames(): Frame[] {
    return this.fragments.flatMap(({ frames }) => frames);
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const received: ReceivedRequest = {
      headers: request.headers,
      fragments: [],
      tracks: new Map(),
      body: '',
      isEnded: false,
    };
    this.requests.push(received);
    const statusCode = this.statusCodes.shift() ?? 200;
    response.writeHead(statusCode).flushHeaders();
    if (statusCode !== 200) return void response.end('not now');
    const answer: Answer = {
      acknowledge: (EventType, fields) => response.write(`${JSON.stringify({ EventType, ...fields })}\n`),
      end: () => response.end(),
      cut: () => request.socket.destroy(),
    };
    const demuxer = new MatroskaDemuxer();
    for await (const chunk of request) {
      received.body += chunk.toString('latin1');
      for (const event of demuxer.demux(chunk)) {
        if (event.type === 'fragmentStart') {
          received.tracks = event.tracks;
          received.fragments.push({ timecodeMillis: Number.NaN, frames: [] });
        } else if (event.type === 'frame') {
          const { frame } = event;
          const fragment = received.fragments.at(-1);
          if (fragment !== undefined) fragment.timecodeMillis = frame.timestampMillis - frame.offsetMillis;
          fragment?.frames.push({ ...frame, payload: Buffer.from(frame.payload) });
          this.onFrame(received, answer);
        }
      }
    }
    received.isEnded = true;
    if (this.endsAnswers) {
      acknowledge(received.fragments.at(-1), answer);
      response.end();
    }
  }
}

export function acknowledgePrevious({ fragments }: ReceivedRequest, answer: Answer): void {
  if (fragments.at(-1)?.frames.length === 1) acknowledge(fragments.at(-2), answer);
}

function acknowledge(fragment: ReceivedFragment | undefined, answer: Answer): void {
  if (fragment !== undefined) answer.acknowledge('PERSISTED', { FragmentTimecode: fragment.timecodeMillis });
}

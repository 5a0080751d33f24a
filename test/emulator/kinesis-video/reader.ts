import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { MatroskaDemuxer } from '../../../src/matroska/demuxer.ts';
import type { FragmentMetadata } from '../../../src/matroska/fragment.ts';
import type { Frame } from '../../../src/matroska/frame.ts';

/** Sends JSON as the SDK does, and gives the response as soon as its status is known. */
export async function post(url: string, path: string, body: unknown): Promise<IncomingMessage> {
  const call = request(`${url}/${path}`, {
    method: 'POST',
    agent: false,
    headers: { 'content-type': 'application/json' },
  });
  call.end(typeof body === 'string' ? body : JSON.stringify(body));
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  return response;
}

export function getMedia(
  url: string,
  streamName: string,
  selector: Readonly<Record<string, unknown>>,
): Promise<IncomingMessage> {
  return post(url, 'getMedia', { StreamName: streamName, StartSelector: selector });
}

export async function readAll(response: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export interface ReadFragment extends FragmentMetadata {
  frames: Frame[];
  complete: boolean;
  millisBehindNow: number | null;
  continuationToken: string | null;
}

export interface ReadBody {
  fragments: ReadFragment[];
  /** Codes of the errors in the body. */
  errors: string[];
  ebmlHeaders: number;
}

export class BodyReader {
  readonly #demuxer = new MatroskaDemuxer();
  readonly fragments: ReadFragment[] = [];
  readonly errors: string[] = [];
  #frames: Frame[] = [];

  get ebmlHeaders(): number {
    return this.#demuxer.ebmlHeaders;
  }

  read(chunk: Buffer): void {
    for (const event of this.#demuxer.demux(chunk)) {
      if (event.type === 'frame') this.#frames.push(event.frame);
      else if (event.type === 'error') this.errors.push(event.code);
      else if (event.type === 'fragmentEnd') {
        const { fragment, complete, millisBehindNow, continuationToken } = event;
        this.fragments.push({
          ...fragment,
          complete,
          millisBehindNow,
          continuationToken,
          frames: this.#frames,
        });
        this.#frames = [];
      }
    }
  }
}

/** Reads until the body ends. */
export async function readBody(response: AsyncIterable<Buffer>): Promise<ReadBody> {
  const reader = new BodyReader();
  for await (const chunk of response) reader.read(chunk);
  return reader;
}

/** Reads until that many fragments are complete, then cuts the connection. */
export async function readFragments(response: IncomingMessage, count: number): Promise<ReadFragment[]> {
  const reader = new BodyReader();
  for await (const chunk of response) {
    reader.read(chunk as Buffer);
    if (reader.fragments.length >= count) break;
  }
  return reader.fragments;
}

export function numbers(fragments: readonly FragmentMetadata[]): (string | null)[] {
  return fragments.map(({ fragmentNumber }) => fragmentNumber);
}

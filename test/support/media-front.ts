import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { write } from '../../src/emulator/kinesis-video/connection.ts';
import { listenOnLoopback } from './loopback.ts';
import { type MediaFragment, MediaFragments } from './media-fragments.ts';
import { callUpstream } from './upstream.ts';

/** What a fragment suffers on its way. */
export type Harm =
  /** The body ends there: as a whole one does, or as that of a connection that is lost. */
  | { readonly type: 'end' | 'loss'; readonly at: number }
  /** Nothing more comes, and the connection stays open. */
  | { readonly type: 'silence'; readonly at: number }
  | { readonly type: 'insertion'; readonly at: number; readonly bytes: Buffer };

export interface StreamFaults {
  /** Whether this GetMedia call, counted from 1, is never answered. */
  readonly isIgnored?: (call: number) => boolean;
  /** A body ends cleanly, between two fragments, after so long. */
  readonly endAfterMillis?: number;
  /** @param ordinal of the fragment in the stream, from 0; asked for once, when it first comes by */
  readonly harm?: (fragment: MediaFragment, ordinal: number) => Harm | null;
}

export type MediaFront = Awaited<ReturnType<typeof startMediaFront>>;

/**
 * Kinesis Video Streams with faults: passes all calls on, and does to each stream's media what is asked for. A fragment
 * is harmed once, and a body, too, as nobody may read what comes after.
 */
export async function startMediaFront(target: string, faults: Readonly<Record<string, StreamFaults>>) {
  const streams = new Map<string, FaultyStream>();
  const server = createServer((incoming, response) => {
    answer(incoming, response).catch(() => response.destroy());
  });
  const { url, close } = await listenOnLoopback(server);
  const stream = (name: string) => {
    const known = streams.get(name) ?? new FaultyStream(faults[name] ?? {});
    streams.set(name, known);
    return known;
  };

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    if (incoming.url === '/getDataEndpoint') {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ DataEndpoint: url }));
      return;
    }
    const call = callUpstream(target, incoming, response);
    call.end(body);
    const [upstream] = (await once(call, 'response')) as [IncomingMessage];
    const isMedia = incoming.url === '/getMedia' && upstream.statusCode === 200;
    if (isMedia) return await stream(streamName(body)).pass(upstream, response);
    response.writeHead(upstream.statusCode ?? 500, upstream.headers);
    upstream.pipe(response);
  }

  return {
    url,
    /** Faults that a stream has suffered. */
    struck: (name: string) => stream(name).struck,
    /** GetMedia calls of a stream. */
    calls: (name: string) => stream(name).calls,
    close,
  };
}

function streamName(body: Buffer): string {
  const { StreamName, StreamARN } = JSON.parse(String(body));
  return StreamName ?? StreamARN.split('/')[1];
}

class FaultyStream {
  calls = 0;
  struck = 0;
  readonly #faults: StreamFaults;
  readonly #seen = new Set<string>();

  constructor(faults: StreamFaults) {
    this.#faults = faults;
  }

  async pass(upstream: IncomingMessage, response: ServerResponse): Promise<void> {
    const { isIgnored = () => false, endAfterMillis } = this.#faults;
    this.calls += 1;
    if (isIgnored(this.calls)) {
      this.struck += 1;
      return;
    }
    response.writeHead(200, upstream.headers);
    response.flushHeaders();
    const timer = setTimeout(
      () => {
        this.struck += 1;
        response.end();
      },
      endAfterMillis ?? 2 ** 31 - 1,
    );
    const fragments = new MediaFragments();
    const struckBefore = this.struck;
    try {
      for await (const chunk of upstream as AsyncIterable<Buffer>) {
        for (const fragment of fragments.read(chunk)) {
          const harm = this.struck === struckBefore ? this.#harm(fragment) : null;
          if (!(await this.#passFragment(fragment, harm, response))) return;
        }
      }
      response.end(fragments.rest);
    } finally {
      clearTimeout(timer);
    }
  }

  /** @returns whether more can follow */
  async #passFragment(
    { bytes }: MediaFragment,
    harm: Harm | null,
    response: ServerResponse,
  ): Promise<boolean> {
    if (response.writableEnded) return false;
    if (harm === null) return await write(response, bytes);
    this.struck += 1;
    await write(response, bytes.subarray(0, harm.at));
    switch (harm.type) {
      case 'insertion':
        await write(response, harm.bytes);
        return await write(response, bytes.subarray(harm.at));
      case 'end':
        response.end();
        return false;
      case 'loss':
        // What was written before arrives, and no end of the body after it.
        response.socket?.destroySoon();
        return false;
      case 'silence':
        await once(response, 'close');
        return false;
    }
  }

  #harm(fragment: MediaFragment): Harm | null {
    const ordinal = this.#seen.size;
    if (this.#seen.has(fragment.fragmentNumber)) return null;
    this.#seen.add(fragment.fragmentNumber);
    return this.#faults.harm?.(fragment, ordinal) ?? null;
  }
}

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { listenOnLoopback } from '../support/loopback.ts';
import { callUpstream } from '../support/upstream.ts';

/** What goes wrong with a GetMedia call, after so many bytes of its body. */
export type Fault =
  | { readonly type: 'none' }
  /** No headers, and the connection stays open. */
  | { readonly type: 'noAnswer' }
  /** The connection stays open. */
  | { readonly type: 'silence' | 'reset' | 'cleanEnd'; readonly afterBytes: number }
  /** The rest comes a byte at a time. */
  | { readonly type: 'trickle'; readonly afterBytes: number };

const TRICKLE_MILLIS = 5;

/** A data endpoint on loopback that passes calls on to another one, and makes faults. */
export async function startFaultyFront(target: string, faultOf: (call: number) => Fault) {
  const open = new Set<ServerResponse>();
  let calls = 0;
  let faults = 0;
  const server = createServer((incoming, response) => {
    calls += 1;
    open.add(response);
    response.once('close', () => open.delete(response));
    const fault = faultOf(calls);
    pass(incoming, response, target, fault, () => {
      faults += 1;
    }).catch(() => response.destroy());
  });
  const { url, close } = await listenOnLoopback(server);
  return {
    url,
    /** So far. */
    calls: () => calls,
    /** Made so far. */
    faults: () => faults,
    /** Connections that are open now. */
    connections: () => open.size,
    close,
  };
}

async function pass(
  incoming: IncomingMessage,
  response: ServerResponse,
  target: string,
  fault: Fault,
  onFault: () => void,
): Promise<void> {
  const call = callUpstream(target, incoming, response);
  incoming.pipe(call);
  const [answer] = (await once(call, 'response')) as [IncomingMessage];
  if (fault.type === 'noAnswer') return onFault();
  response.writeHead(answer.statusCode ?? 500, answer.headers);
  response.flushHeaders();
  let left = fault.type === 'none' ? Number.POSITIVE_INFINITY : fault.afterBytes;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    response.write(chunk.subarray(0, left));
    if (chunk.length >= left) {
      onFault();
      await make(fault, response, chunk.subarray(left));
      return;
    }
    left -= chunk.length;
  }
  response.end();
}

async function make(fault: Fault, response: ServerResponse, rest: Buffer): Promise<void> {
  switch (fault.type) {
    case 'silence':
      await once(response, 'close');
      break;
    case 'reset':
      response.socket?.resetAndDestroy();
      break;
    case 'cleanEnd':
      response.end();
      break;
    case 'trickle':
      for (const byte of rest) {
        if (response.closed) return;
        response.write(Buffer.of(byte));
        await delay(TRICKLE_MILLIS);
      }
      break;
  }
}

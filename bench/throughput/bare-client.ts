import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface BareClientOptions {
  readonly url: string;
  readonly calls: number;
  readonly bodyBytes: number;
  readonly seconds: number;
}

/** Keeps so many calls under way, and does nothing else: what the endpoint, and Node.js's HTTP, can at most. */
export async function run({ url, calls, bodyBytes, seconds }: BareClientOptions): Promise<null> {
  const agent = new Agent({ keepAlive: true, maxSockets: calls });
  const body = Buffer.alloc(bodyBytes);
  const headers = { 'content-type': 'image/jpeg', 'content-length': String(bodyBytes) };
  const path = `${url}/endpoints/local-detector/invocations`;
  const call = () =>
    new Promise<void>((resolve, reject) => {
      const outgoing = request(path, { agent, method: 'POST', headers }, (response) => {
        response.resume().once('end', resolve).once('error', reject);
      });
      outgoing.once('error', reject).end(body);
    });
  const end = new AbortController();
  const working = Array.from({ length: calls }, async () => {
    while (!end.signal.aborted) await call();
  });
  await delay(seconds * 1000);
  end.abort();
  await Promise.all(working);
  agent.destroy();
  return null;
}

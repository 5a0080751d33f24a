import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { ownUsage } from '../harness/child.ts';

export interface ReaderOptions {
  readonly url: string;
  readonly streamNames: readonly string[];
  /** PEM; null over HTTP. */
  readonly certificateFile: string | null;
  /** Until all cameras have begun. */
  readonly settlingMillis: number;
  readonly measuredMillis: number;
}

/** Reads the bodies of all streams, and drops the bytes. @returns CPU seconds for each second of a stream */
export async function run({ url, streamNames, certificateFile, ...times }: ReaderOptions): Promise<number> {
  const request = certificateFile === null ? httpRequest : httpsRequest;
  const trust = certificateFile === null ? {} : { ca: readFileSync(certificateFile) };
  let failure: Error | null = null;
  const requests = streamNames.map((StreamName) => {
    const call = request(new URL('/getMedia', url), { method: 'POST', agent: false, ...trust }, (response) =>
      response.on('data', () => undefined),
    );
    call.on('error', (error) => {
      failure ??= error;
    });
    return call.end(JSON.stringify({ StreamName, StartSelector: { StartSelectorType: 'NOW' } }));
  });
  await delay(times.settlingMillis);
  const [before, since] = [ownUsage().cpuSeconds, performance.now()];
  await delay(times.measuredMillis);
  const seconds = (performance.now() - since) / 1000;
  const cpuSeconds = ownUsage().cpuSeconds - before;
  if (failure !== null) throw failure;
  for (const call of requests) call.on('error', () => undefined).destroy();
  return cpuSeconds / seconds / streamNames.length;
}

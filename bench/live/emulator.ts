import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { deserialize } from 'node:v8';
import { listenOnLoopback } from '../../test/support/loopback.ts';
import type { Clip } from './cameras.ts';
import { type Counts, type Passage, Services, type ServicesOptions } from './services.ts';

export interface EmulatorOptions extends Omit<ServicesOptions, 'clip' | 'url'> {
  /** A Clip, as v8 serializes it. */
  readonly clipFile: string;
  /** PEM; null for HTTP. */
  readonly certificate: { readonly key: string; readonly cert: string } | null;
}

/** What is asked for, and what is answered. */
export interface Questions {
  readonly counts: Counts;
  readonly passages: Passage[];
}

/** All services in this process, until its parent is gone. Speaks with it by messages; the first is the URL. */
export async function run({ clipFile, certificate, ...options }: EmulatorOptions): Promise<void> {
  const clip = deserialize(readFileSync(clipFile)) as Clip;
  let url = '';
  const services = new Services({ ...options, clip, url: () => url });
  const server =
    certificate === null ? createServer(services.listener) : createTlsServer(certificate, services.listener);
  const listening = await listenOnLoopback(server);
  url = certificate === null ? listening.url : listening.url.replace('http:', 'https:');
  process.on('message', (question: keyof Questions) => process.send?.(services[question]()));
  process.send?.(url);
  await once(process, 'disconnect');
  process.exit();
}

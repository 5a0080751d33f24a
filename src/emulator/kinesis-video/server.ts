import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import type { Clock } from '../../core/clock.ts';
import { controlPlane } from './control-plane.ts';
import type { StoredFragment } from './fragment-log.ts';
import { type GetMediaLimits, openGetMedia } from './get-media.ts';
import { acceptJson, acceptStreams, answerErrors } from './http.ts';
import { putMedia } from './put-media.ts';
import { type Retention, Streams } from './streams.ts';
import { Tasks } from './tasks.ts';

export type { StoredFragment } from './fragment-log.ts';

export interface KinesisVideoOptions {
  clock: Clock;
  /** Default 127.0.0.1. */
  host?: string | undefined;
  /** Default 0: any that is free. */
  port?: number | undefined;
  region?: string | undefined;
  accountId?: string | undefined;
  /** Default 10,000 fragments a stream, of any age, and 256 MiB of all streams together. The oldest go first. */
  retention?: Partial<Retention> | undefined;
  /** Default the service's: 3 s, 40 minutes, 3 connections and 5 calls a second for each stream. */
  getMedia?: Partial<GetMediaLimits> | undefined;
  /** Default the service's: 30 s. */
  putMedia?: { idleMillis?: number | undefined } | undefined;
}

export interface KinesisVideoEmulator {
  readonly url: string;
  /** What GetDataEndpoint answers: at first `url`; set it to put a proxy before PutMedia and GetMedia. */
  dataEndpoint: string;
  /** As CreateStream does, with a data retention of 24 hours by default. @returns the stream's ARN */
  createStream(
    name: string,
    options?: { dataRetentionInHours?: number; tags?: Readonly<Record<string, string>> },
  ): string;
  /** Every stream, with its tags. */
  streams(): Array<{ name: string; arn: string; tags: Readonly<Record<string, string>> }>;
  /** The fragments that a stream keeps, oldest first. */
  fragments(streamName: string): readonly StoredFragment[];
  /** The open connections of a stream. */
  connections(streamName: string): { putMedia: number; getMedia: number };
  /** Cuts every connection at once; resolves when nothing is left. */
  close(): Promise<void>;
}

const DEFAULT_RETENTION: Retention = {
  fragments: 10_000,
  millis: Number.POSITIVE_INFINITY,
  bytes: 256 * 1024 * 1024,
};
const DEFAULT_GET_MEDIA: GetMediaLimits = {
  idleMillis: 3000,
  connectionMillis: 40 * 60_000,
  connections: 3,
  callsPerSecond: 5,
};
const DEFAULT_PUT_MEDIA_IDLE_MILLIS = 30_000;
const DEFAULT_STREAM_RETENTION_HOURS = 24;

/**
 * Kinesis Video Streams for local runs and tests: the control plane, PutMedia and GetMedia over HTTP on one port.
 * Streams and fragments are kept in memory. Signatures are not checked. Fragments are sent to readers when they are
 * stored, not while they are received.
 *
 * Resolves as soon as the server listens.
 */
export async function startKinesisVideo(options: KinesisVideoOptions): Promise<KinesisVideoEmulator> {
  const { clock, host = '127.0.0.1', port = 0 } = options;
  const streams = new Streams({
    clock,
    retention: { ...DEFAULT_RETENTION, ...options.retention },
    region: options.region ?? 'us-east-1',
    accountId: options.accountId ?? '123456789012',
  });
  const limits = { ...DEFAULT_GET_MEDIA, ...options.getMedia };
  const idleMillis = options.putMedia?.idleMillis ?? DEFAULT_PUT_MEDIA_IDLE_MILLIS;
  const tasks = new Tasks();

  const server = fastify({
    forceCloseConnections: true,
    // The response may be under way: nothing else may be written into it.
    clientErrorHandler: (_error, socket) => socket.destroy(),
  });
  answerErrors(server);
  acceptJson(server);
  for (const [name, operation] of Object.entries(controlPlane(streams, () => emulator.dataEndpoint))) {
    server.post(`/${name}`, (request, reply) => reply.send(operation(request.body)));
  }
  server.post('/getMedia', async (request, reply) => {
    const send = openGetMedia(request.body, { streams, clock, limits });
    reply.hijack();
    tasks.add(send(reply.raw), () => reply.raw.destroy());
  });
  await server.register(async (scope) => {
    acceptStreams(scope);
    scope.post('/putMedia', async ({ raw }, reply) => {
      reply.hijack();
      const received = putMedia(raw, reply.raw, { streams, clock, idleMillis });
      tasks.add(received, () => reply.raw.destroy());
    });
  });

  await server.listen({ host, port });
  const url = `http://${host}:${(server.server.address() as AddressInfo).port}`;
  const emulator: KinesisVideoEmulator = {
    url,
    dataEndpoint: url,
    createStream(name, { dataRetentionInHours = DEFAULT_STREAM_RETENTION_HOURS, tags = {} } = {}) {
      const settings = { deviceName: null, mediaType: null, kmsKeyId: null, dataRetentionInHours };
      return streams.create(name, settings, new Map(Object.entries(tags))).arn;
    },
    streams() {
      return streams.list().map(({ name, arn, tags }) => ({ name, arn, tags: Object.fromEntries(tags) }));
    },
    fragments(streamName) {
      const stream = streams.get({ StreamName: streamName });
      streams.evict(stream);
      return [...stream.log.fragments];
    },
    connections(streamName) {
      const { producers, readers } = streams.get({ StreamName: streamName });
      return { putMedia: producers.size, getMedia: readers };
    },
    async close() {
      await server.close();
      await tasks.settle();
    },
  };
  return emulator;
}

import type { Readable } from 'node:stream';
import { GetDataEndpointCommand, type KinesisVideoClient } from '@aws-sdk/client-kinesis-video';
import {
  GetMediaCommand,
  type KinesisVideoMediaClient,
  type StartSelector,
} from '@aws-sdk/client-kinesis-video-media';
import { assertNever, KvsInferenceError } from '../core/errors.ts';
import type { MediaSource, ReadPosition } from './source.ts';

/**
 * GetMedia (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_GetMedia.html). The data
 * endpoint of a stream is asked for once and again after a failure; a client is kept per endpoint.
 */
export class GetMediaSource implements MediaSource {
  readonly #kinesisVideo: Pick<KinesisVideoClient, 'send'>;
  readonly #mediaClient: (endpoint: string) => KinesisVideoMediaClient;
  readonly #endpoints = new Map<string, string>();
  readonly #clients = new Map<string, KinesisVideoMediaClient>();

  constructor(options: {
    kinesisVideo: Pick<KinesisVideoClient, 'send'>;
    mediaClient: (endpoint: string) => KinesisVideoMediaClient;
  }) {
    this.#kinesisVideo = options.kinesisVideo;
    this.#mediaClient = options.mediaClient;
  }

  async open(
    streamName: string,
    position: ReadPosition,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer>> {
    const endpoint = await this.#endpoint(streamName, signal);
    try {
      const command = new GetMediaCommand({ StreamName: streamName, StartSelector: startSelector(position) });
      const { Payload } = await this.#client(endpoint).send(command, { abortSignal: signal });
      if (Payload === undefined)
        throw new KvsInferenceError('NO_PAYLOAD', 'GetMedia answered without a payload');
      return body(Payload as unknown as Readable, signal);
    } catch (error) {
      this.#endpoints.delete(streamName);
      throw error;
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.destroy();
    this.#clients.clear();
  }

  async #endpoint(streamName: string, signal: AbortSignal): Promise<string> {
    const known = this.#endpoints.get(streamName);
    if (known !== undefined) return known;
    const command = new GetDataEndpointCommand({ StreamName: streamName, APIName: 'GET_MEDIA' });
    const { DataEndpoint } = await this.#kinesisVideo.send(command, { abortSignal: signal });
    if (DataEndpoint === undefined) {
      throw new KvsInferenceError(
        'NO_DATA_ENDPOINT',
        `GetDataEndpoint named no endpoint for "${streamName}"`,
      );
    }
    this.#endpoints.set(streamName, DataEndpoint);
    return DataEndpoint;
  }

  #client(endpoint: string): KinesisVideoMediaClient {
    let client = this.#clients.get(endpoint);
    if (client === undefined) {
      client = this.#mediaClient(endpoint);
      this.#clients.set(endpoint, client);
    }
    return client;
  }
}

/** The body's chunks; its socket is closed however the reading ends. */
async function* body(payload: Readable, signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
  const abort = () => payload.destroy(signal.reason instanceof Error ? signal.reason : undefined);
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    for await (const chunk of payload) yield chunk as Buffer;
  } finally {
    signal.removeEventListener('abort', abort);
    payload.destroy();
  }
}

function startSelector(position: ReadPosition): StartSelector {
  switch (position.type) {
    case 'EARLIEST':
      return { StartSelectorType: 'EARLIEST' };
    case 'SERVER_TIMESTAMP':
      return { StartSelectorType: 'SERVER_TIMESTAMP', StartTimestamp: new Date(position.millis) };
    case 'AFTER_FRAGMENT':
      return { StartSelectorType: 'FRAGMENT_NUMBER', AfterFragmentNumber: position.fragmentNumber };
    default:
      return assertNever(position);
  }
}

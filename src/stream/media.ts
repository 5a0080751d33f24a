import type { Readable } from 'node:stream';
import { GetDataEndpointCommand, type KinesisVideoClient } from '@aws-sdk/client-kinesis-video';
import {
  GetMediaCommand,
  type KinesisVideoMediaClient,
  type StartSelector,
} from '@aws-sdk/client-kinesis-video-media';
import { assertNever, KvsInferenceError } from '../core/errors.ts';
import { identifierOf } from '../discovery/discovered-stream.ts';
import { readChunks } from './read-chunks.ts';
import type { MediaBody, MediaSource, ReadPosition, StreamReference } from './source.ts';

/**
 * GetMedia (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_GetMedia.html). The data
 * endpoint of a stream is asked for once, and again when a body was not read to its end; a client is kept per
 * endpoint.
 */
export class GetMediaSource implements MediaSource {
  readonly #kinesisVideo: Pick<KinesisVideoClient, 'send'>;
  readonly #mediaClient: (endpoint: string) => KinesisVideoMediaClient;
  /** By the stream's ARN, or its name. */
  readonly #endpoints = new Map<string, string>();
  readonly #clients = new Map<string, KinesisVideoMediaClient>();

  constructor(options: {
    kinesisVideo: Pick<KinesisVideoClient, 'send'>;
    mediaClient: (endpoint: string) => KinesisVideoMediaClient;
  }) {
    this.#kinesisVideo = options.kinesisVideo;
    this.#mediaClient = options.mediaClient;
  }

  async open(stream: StreamReference, position: ReadPosition, signal: AbortSignal): Promise<MediaBody> {
    const endpoint = await this.#endpoint(stream, signal);
    try {
      const command = new GetMediaCommand({
        ...identifierOf(stream),
        StartSelector: startSelector(position),
      });
      const { Payload } = await this.#client(endpoint).send(command, { abortSignal: signal });
      if (Payload === undefined) {
        throw new KvsInferenceError('NO_PAYLOAD', 'GetMedia answered without a payload');
      }
      const payload = Payload as unknown as Readable;
      return {
        read: async (write) => {
          try {
            await readChunks(payload, write, signal);
          } catch (error) {
            this.#forgetEndpoint(stream);
            throw error;
          }
        },
      };
    } catch (error) {
      this.#forgetEndpoint(stream);
      throw error;
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.destroy();
    this.#clients.clear();
  }

  async #endpoint(stream: StreamReference, signal: AbortSignal): Promise<string> {
    const known = this.#endpoints.get(key(stream));
    if (known !== undefined) return known;
    const command = new GetDataEndpointCommand({ ...identifierOf(stream), APIName: 'GET_MEDIA' });
    const { DataEndpoint } = await this.#kinesisVideo.send(command, { abortSignal: signal });
    if (DataEndpoint === undefined) {
      throw new KvsInferenceError(
        'NO_DATA_ENDPOINT',
        `GetDataEndpoint named no endpoint for "${stream.streamName}"`,
      );
    }
    this.#endpoints.set(key(stream), DataEndpoint);
    return DataEndpoint;
  }

  #forgetEndpoint(stream: StreamReference): void {
    this.#endpoints.delete(key(stream));
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

function key({ streamName, streamArn }: StreamReference): string {
  return streamArn ?? streamName;
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

import { once } from 'node:events';
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { z } from 'zod';
import { KvsInferenceError } from '../../core/errors.ts';

const acknowledgementSchema = z.object({
  /** BUFFERING, RECEIVED, PERSISTED, ERROR or IDLE. */
  EventType: z.string(),
  /** Of the Cluster, milliseconds. */
  FragmentTimecode: z.number().optional(),
  FragmentNumber: z.string().optional(),
  ErrorId: z.number().optional(),
  ErrorCode: z.string().optional(),
});

/** What the service says of a fragment while the request goes on. */
export type Acknowledgement = z.infer<typeof acknowledgementSchema>;

export interface PutMediaOptions {
  /** What GetDataEndpoint answered. */
  endpoint: string;
  streamName: string;
  /** Milliseconds since the Unix epoch. */
  producerStartMillis: number;
  onAcknowledgement: (acknowledgement: Acknowledgement) => void;
}

/** A connection on which nothing moves for so long is given up, milliseconds. */
const IDLE_MILLIS = 10_000;
/** Of an acknowledgement or an error, characters. */
const MAX_ANSWER_LENGTH = 16_384;

/**
 * One PutMedia request with absolute timecodes, whose body is written piece by piece. It is not signed: for an
 * emulator on the loopback interface only.
 *
 * https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_PutMedia.html
 */
export class PutMediaRequest {
  readonly #request: ClientRequest;
  readonly #onAcknowledgement: PutMediaOptions['onAcknowledgement'];
  /** Aborted when the connection is done with; the reason is why. */
  readonly #closed = new AbortController();

  constructor({ endpoint, streamName, producerStartMillis, onAcknowledgement }: PutMediaOptions) {
    const url = new URL('/putMedia', endpoint);
    this.#onAcknowledgement = onAcknowledgement;
    this.#request = (url.protocol === 'https:' ? https : http).request(url, {
      method: 'POST',
      agent: false,
      timeout: IDLE_MILLIS,
      headers: {
        'content-type': 'application/json',
        'transfer-encoding': 'chunked',
        expect: '100-continue',
        'x-amzn-stream-name': streamName,
        'x-amzn-fragment-timecode-type': 'ABSOLUTE',
        'x-amzn-fragment-acknowledgment-required': '1',
        'x-amzn-producer-start-timestamp': (producerStartMillis / 1000).toFixed(3),
      },
    });
    this.#request.on('error', (error) => this.close(error));
    this.#request.on('timeout', () => this.close(failure(`nothing moved for ${IDLE_MILLIS} ms`)));
    this.#request.on('response', (response) => this.#read(response));
  }

  /** Resolves when the service asks for the body; to be called at once. */
  async accepted(): Promise<void> {
    await this.#event('continue');
  }

  /** Resolves when there is room for more; rejects with the reason once the connection is closed. */
  async write(bytes: Buffer): Promise<void> {
    this.#closed.signal.throwIfAborted();
    if (!this.#request.write(bytes)) await this.#event('drain');
  }

  /** Ends the body, and resolves when the service has ended its answer or the connection is lost. */
  async end(): Promise<void> {
    const { signal } = this.#closed;
    this.#request.end();
    if (!signal.aborted) await once(signal, 'abort');
  }

  close(reason: Error): void {
    this.#closed.abort(reason);
    this.#request.destroy();
  }

  async #event(name: string): Promise<void> {
    const { signal } = this.#closed;
    try {
      await once(this.#request, name, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  async #read(response: IncomingMessage): Promise<void> {
    const { statusCode, headers } = response;
    const isAccepted = statusCode === 200;
    let text = '';
    try {
      for await (const chunk of response.setEncoding('utf8')) {
        text += chunk;
        if (isAccepted) text = this.#acknowledge(text);
        if (text.length > MAX_ANSWER_LENGTH) throw failure('the answer is too long');
      }
      const refusal = ['HTTP', statusCode, headers['x-amzn-errortype'], text].filter(Boolean).join(' ');
      this.close(failure(isAccepted ? 'the service ended the connection' : refusal));
    } catch (error) {
      this.close(failure('the answer could not be read', error));
    }
  }

  /** @returns the line that is not complete yet */
  #acknowledge(text: string): string {
    const lines = text.split('\n');
    const rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() !== '') this.#onAcknowledgement(acknowledgementSchema.parse(JSON.parse(line)));
    }
    return rest;
  }
}

function failure(problem: string, cause?: unknown): KvsInferenceError {
  return new KvsInferenceError('PUT_MEDIA_FAILED', `PutMedia: ${problem}`, { cause, retryable: true });
}

import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { fastify } from 'fastify';
import PQueue from 'p-queue';
import { type Detector, INPUT_SIZE, loadDetector } from './detector.ts';
import { decodePicture, MAX_BODY_BYTES } from './picture.ts';

/** Requests that may wait for the one thread that infers: about ten seconds of work. */
const MAX_WAITING = 64;

export interface ModelServerOptions {
  host: string;
  /** 0 for any that is free. */
  port: number;
  load?: () => Promise<Detector>;
}

export interface ModelServer {
  readonly port: number;
  /** Resolves when the model is loaded, rejects when it cannot be; to be awaited by whoever starts the server. */
  readonly loaded: Promise<void>;
  /** Cuts open connections, lets the running inference end and frees the model. */
  close(): Promise<void>;
}

class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly statusCode: 413 | 503;

  constructor(statusCode: 413 | 503, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/**
 * An object detection model behind SageMaker's container contract: `GET /ping` answers 200 once the model is
 * loaded, `POST /invocations` takes a picture and answers `{"prediction":[[class,score,xmin,ymin,xmax,ymax],…]}`.
 * https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
 *
 * Resolves as soon as the server listens.
 */
export async function startModelServer({
  host,
  port,
  load = loadDetector,
}: ModelServerOptions): Promise<ModelServer> {
  const server = fastify({ forceCloseConnections: true });
  const inferences = new PQueue({ concurrency: 1 });
  let detector: Detector | undefined;

  server.get('/ping', (_request, reply) => reply.code(detector === undefined ? 503 : 200).send());

  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', async (_request: unknown, payload: Readable) => readBody(payload));
  server.post<{ Body: Buffer | undefined }>('/invocations', async (request) => {
    const model = detector;
    if (model === undefined) throw new HttpError(503, 'The model is not loaded yet');
    if (inferences.size >= MAX_WAITING) {
      throw new HttpError(503, `${MAX_WAITING} requests are waiting for the model already`);
    }
    return inferences.add(async () => {
      const picture = await decodePicture(
        request.body ?? Buffer.alloc(0),
        request.mediaType ?? '',
        INPUT_SIZE,
      );
      // Decoding let the event loop run: a client that left while its request waited is known by now.
      if (request.socket.destroyed) throw new HttpError(503, 'The client is gone');
      return { prediction: await model.detect(picture) };
    });
  });

  await server.listen({ host, port });
  const loading = load().then((loaded) => {
    detector = loaded;
  });
  return {
    port: (server.server.address() as AddressInfo).port,
    loaded: loading,
    async close() {
      await server.close();
      await inferences.onIdle();
      await loading.catch(() => undefined);
      detector?.dispose();
      detector = undefined;
    },
  };
}

/** Reads a body that is too large to its end, without keeping it: a client in mid-sentence would not get the answer. */
async function readBody(payload: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of payload) {
    length += chunk.length;
    if (length <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  if (length > MAX_BODY_BYTES) {
    throw new HttpError(413, `The body has ${length} bytes; at most ${MAX_BODY_BYTES} are taken`);
  }
  return Buffer.concat(chunks);
}

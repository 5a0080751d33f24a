import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import type { Listening, LocalService } from './dynamo-db.ts';

/** SageMaker's limit for the body of InvokeEndpoint. */
const MAX_BODY_BYTES = 6_291_456;

/** One answered invocation, for whoever watches. */
export interface ObservedInvocation {
  readonly customAttributes: string;
  readonly body: Buffer;
  readonly contentType: string;
}

export interface SageMakerRuntimeOptions extends Partial<Listening> {
  /** Names of the endpoints that exist. */
  endpoints: () => readonly string[];
  /** Where the model's container listens, `http://127.0.0.1:PORT`. */
  containerUrl: string;
  onInvocation?: ((invocation: ObservedInvocation) => void) | undefined;
}

/**
 * SageMaker's runtime before a model container, which it speaks to as SageMaker does
 * (https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html): `POST /invocations`.
 */
export async function startSageMakerRuntime(options: SageMakerRuntimeOptions): Promise<LocalService> {
  const { endpoints, containerUrl, onInvocation, host = '127.0.0.1', port = 0 } = options;
  const server = fastify({ forceCloseConnections: true, bodyLimit: MAX_BODY_BYTES });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  server.setErrorHandler(async (error: Error & { statusCode?: number }, _request, reply) => {
    const type = (error.statusCode ?? 500) < 500 ? 'ValidationError' : 'InternalFailure';
    return reply
      .status(type === 'ValidationError' ? 400 : 500)
      .header('x-amzn-errortype', type)
      .send({ Message: error.message });
  });

  server.post<{ Params: { name: string }; Body: Buffer }>(
    '/endpoints/:name/invocations',
    async (request, reply) => {
      const { name } = request.params;
      if (!endpoints().includes(name)) {
        const message = `Endpoint ${name} of account 000000000000 not found.`;
        return reply.status(400).header('x-amzn-errortype', 'ValidationError').send({ Message: message });
      }
      const contentType = request.headers['content-type'] ?? 'application/octet-stream';
      const customAttributes = String(request.headers['x-amzn-sagemaker-custom-attributes'] ?? '');
      const answer = await fetch(`${containerUrl}/invocations`, {
        method: 'POST',
        headers: {
          'content-type': contentType,
          accept: request.headers.accept ?? 'application/json',
          'x-amzn-sagemaker-custom-attributes': customAttributes,
        },
        body: new Uint8Array(request.body),
      });
      const body = Buffer.from(await answer.arrayBuffer());
      if (!answer.ok) {
        const message = `Received ${answer.status} from primary with message "${body.toString('utf8', 0, 1000)}"`;
        return reply
          .status(424)
          .header('x-amzn-errortype', 'ModelError')
          .send({
            Message: message,
            OriginalStatusCode: answer.status,
            OriginalMessage: body.toString('utf8', 0, 1000),
          });
      }
      onInvocation?.({ customAttributes, body: request.body, contentType });
      return reply
        .header('content-type', answer.headers.get('content-type') ?? 'application/json')
        .header('x-amzn-invoked-production-variant', 'AllTraffic')
        .send(body);
    },
  );

  await server.listen({ host, port });
  return {
    url: `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    close: () => server.close(),
  };
}

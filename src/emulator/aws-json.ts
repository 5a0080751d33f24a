import type { AddressInfo } from 'node:net';
import { type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { z } from 'zod';
import type { Listening, LocalService } from './dynamo-db.ts';

/** An error in the shape of the AWS JSON protocol. */
export class AwsJsonError extends Error {
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }
}

/** Handles one operation; `input` is the parsed body. */
export type AwsJsonOperation = (input: unknown) => Promise<unknown> | unknown;

/**
 * Serves operations of the AWS JSON 1.1 protocol (https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html):
 * `POST /` with the operation's name in `X-Amz-Target`, such as `AmazonSSM.GetParameter`.
 */
export async function serveAwsJson(
  operations: Readonly<Record<string, AwsJsonOperation>>,
  { host = '127.0.0.1', port = 0 }: Partial<Listening> = {},
): Promise<LocalService> {
  const server = fastify({ forceCloseConnections: true, bodyLimit: 1024 * 1024 });
  server.addContentTypeParser(
    'application/x-amz-json-1.1',
    { parseAs: 'string' },
    server.getDefaultJsonParser('ignore', 'ignore'),
  );
  server.setErrorHandler(async (error: Error & { statusCode?: number }, _request, reply) => {
    const type = (error.statusCode ?? 500) < 500 ? 'SerializationException' : 'InternalFailure';
    reply.status(error.statusCode ?? 500).header('x-amzn-errortype', type);
    return { __type: type, message: error.message };
  });
  server.post('/', async (request: FastifyRequest, reply: FastifyReply) => {
    reply.type('application/x-amz-json-1.1');
    const target = String(request.headers['x-amz-target']);
    const operation = Object.hasOwn(operations, target) ? operations[target] : undefined;
    try {
      if (operation === undefined)
        throw new AwsJsonError('UnknownOperationException', `no operation ${target}`);
      return await operation(request.body);
    } catch (error) {
      const { type, message } = asAwsError(error);
      reply.status(400).header('x-amzn-errortype', type);
      return { __type: type, message };
    }
  });
  await server.listen({ host, port });
  return {
    url: `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    close: () => server.close(),
  };
}

function asAwsError(error: unknown): { type: string; message: string } {
  if (error instanceof AwsJsonError) return error;
  if (error instanceof z.ZodError) return { type: 'ValidationException', message: z.prettifyError(error) };
  throw error;
}

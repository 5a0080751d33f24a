import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../core/clock.ts';
import { hangUp } from './connection.ts';
import { ServiceError } from './service-error.ts';

/** Answers every failed call as the service does. */
export function answerErrors(server: FastifyInstance): void {
  server.setErrorHandler((error, _request, reply) => {
    const { status, headers, body } = errorAnswer(error);
    return reply.code(status).headers(headers).send(body);
  });
  server.setNotFoundHandler(({ method, url }) => {
    throw new ServiceError('UnknownOperationException', `${method} ${url} is no operation of this service`);
  });
}

/** JSON, whatever its content type. */
export function acceptJson(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, async (_request: unknown, body: Buffer) => {
    try {
      return body.length === 0 ? {} : JSON.parse(body.toString());
    } catch {
      throw new ServiceError('SerializationException', 'The body is not JSON');
    }
  });
}

/** Leaves bodies unread, whatever their content type. */
export function acceptStreams(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', (_request, _payload, done) => done(null));
}

/** Refuses a call whose body is still coming. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  clock: Clock,
  error: unknown,
): Promise<void> {
  const { status, headers, body } = errorAnswer(error);
  response.writeHead(status, headers);
  return hangUp(request, response, clock, body);
}

function errorAnswer(error: unknown) {
  const { type, status, message } = toServiceError(error);
  return {
    status,
    headers: {
      'content-type': 'application/json',
      'x-amzn-ErrorType': type,
      'x-amzn-RequestId': randomUUID(),
    },
    body: JSON.stringify({ Message: message }),
  };
}

/** Besides this service's errors there are those of the HTTP server, which carry a status. */
function toServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  const { statusCode } = error as { statusCode?: unknown };
  const isCallers = typeof statusCode === 'number' && statusCode < 500;
  const message = error instanceof Error ? error.message : String(error);
  return new ServiceError(isCallers ? 'SerializationException' : 'InternalFailure', message);
}

import { z } from 'zod';
import { ServiceError } from './service-error.ts';

/** The shapes that several requests have in common, as the service's model has them. */

export const streamName = z
  .string()
  .max(256)
  .regex(/^[a-zA-Z0-9_.-]+$/);

const streamArn = z
  .string()
  .max(1024)
  .regex(/^arn:[a-z\d-]+:kinesisvideo:[a-z0-9-]+:[0-9]+:[a-z]+\/[a-zA-Z0-9_.-]+\/[0-9]+$/);

export const streamReference = { StreamName: streamName.nullish(), StreamARN: streamArn.nullish() };

/** @throws {ServiceError} InvalidArgumentException that names the member and what it must be */
export function parseRequest<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const result = schema.safeParse(body ?? {});
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    ({ path, message }) => `${path.join('.') || 'request'}: ${message}`,
  );
  throw new ServiceError('InvalidArgumentException', problems.join('; '));
}

import { pipeline, Readable, Transform, type TransformCallback } from 'node:stream';
import type { InvokeEndpointCommand } from '@aws-sdk/client-sagemaker-runtime';
import { KvsInferenceError } from '../core/errors.ts';

/** More than SageMaker lets a model answer, bytes. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;

interface Response {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  body?: unknown;
}

/** The SDK gathers the whole answer in memory, however large: the command fails with ANSWER_TOO_LARGE before that. */
export function limitAnswer(command: InvokeEndpointCommand): void {
  command.middlewareStack.add(
    (next) => async (input) => {
      const result = await next(input);
      const response = result.response as Response;
      if (!(response.body instanceof Readable)) return result;
      const isAnswer = response.statusCode < 300;
      // Nothing comes after so many bytes: where that is little, as it mostly is, it need not be counted.
      const bytes = Number(response.headers['content-length'] ?? Number.POSITIVE_INFINITY);
      if (bytes <= (isAnswer ? MAX_ANSWER_BYTES : MAX_ERROR_BYTES)) return result;
      const limit = isAnswer ? new ByteLimit() : new Beginning();
      response.body = pipeline(response.body, limit, () => {
        // Whoever reads sees the error.
      });
      return result;
    },
    // Nearer to the wire than the SDK's own deserializer.
    { step: 'deserialize', priority: 'low', name: 'limitAnswer' },
  );
}

class ByteLimit extends Transform {
  #bytes = 0;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#bytes += chunk.length;
    if (this.#bytes <= MAX_ANSWER_BYTES) done(null, chunk);
    else done(new KvsInferenceError('ANSWER_TOO_LARGE', `answer of more than ${MAX_ANSWER_BYTES} bytes`));
  }
}

/** Of an error, however much there is of it. */
class Beginning extends Transform {
  #left = MAX_ERROR_BYTES;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const kept = chunk.subarray(0, this.#left);
    this.#left -= kept.length;
    done(null, kept);
  }
}

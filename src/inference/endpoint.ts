import { InvokeEndpointCommand, type SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import type { ContentType } from '../config/schema.ts';
import { type Clock, withTimeout } from '../core/clock.ts';
import { errorName } from '../core/errors.ts';
import { isTransientAwsError, retry } from '../core/retry.ts';

export interface EndpointOptions {
  client: Pick<SageMakerRuntimeClient, 'send'>;
  endpointName: string;
  contentType: ContentType;
  /** Of one attempt, milliseconds. */
  timeoutMillis: number;
  clock: Clock;
}

export interface Invocation {
  body: Buffer;
  /** Recognises a repeat in the endpoint's data capture; at most 64 characters. */
  inferenceId: string;
  /** Passed to the model; at most 1,024 ASCII characters. */
  customAttributes: string;
  onRetry: (error: unknown, attempt: number, delayMillis: number) => void;
}

export interface Answer {
  readonly body: Buffer;
  readonly contentType: string;
  /** Duration of the attempt that succeeded. */
  readonly inferenceMillis: number;
}

const MAX_ATTEMPTS = 5;
const BASE_DELAY_MILLIS = 200;
const MAX_DELAY_MILLIS = 5000;

/**
 * One SageMaker endpoint
 * (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html).
 */
export class SageMakerEndpoint {
  readonly #options: EndpointOptions;

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.endpointName;
  }

  /**
   * Asks the endpoint, and asks again where that can help. The client given must not retry by itself.
   *
   * @param signal gives up
   * @throws the service's error, once it is final
   */
  async invoke(invocation: Invocation, signal: AbortSignal): Promise<Answer> {
    return await retry(() => this.#attempt(invocation, signal), {
      clock: this.#options.clock,
      signal,
      attempts: MAX_ATTEMPTS,
      baseDelayMillis: BASE_DELAY_MILLIS,
      maxDelayMillis: MAX_DELAY_MILLIS,
      isRetryable: isRetryableInvocationError,
      onRetry: invocation.onRetry,
    });
  }

  async #attempt({ body, inferenceId, customAttributes }: Invocation, signal: AbortSignal): Promise<Answer> {
    const { client, endpointName, contentType, timeoutMillis, clock } = this.#options;
    const startedAt = clock.monotonic();
    const command = new InvokeEndpointCommand({
      EndpointName: endpointName,
      ContentType: contentType,
      Body: body,
      InferenceId: inferenceId,
      CustomAttributes: customAttributes,
    });
    const output = await withTimeout(clock, timeoutMillis, signal, (abortSignal) =>
      client.send(command, { abortSignal }),
    );
    return {
      body: Buffer.from(output.Body ?? []),
      contentType: output.ContentType ?? '',
      inferenceMillis: Math.round(clock.monotonic() - startedAt),
    };
  }
}

/** Whether asking again can help. A model's own error is final unless the model failed with 429 or 5xx. */
export function isRetryableInvocationError(error: unknown): boolean {
  if (errorName(error) !== 'ModelError') return isTransientAwsError(error);
  const { OriginalStatusCode: status } = error as { OriginalStatusCode?: number };
  return status === undefined || status === 429 || status >= 500;
}

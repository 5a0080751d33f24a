import { InvokeEndpointCommand, type SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import type { ContentType } from '../config/schema.ts';
import { type Clock, withTimeout } from '../core/clock.ts';
import { limitAnswer } from './answer-limit.ts';
import type { Invocation } from './invocation.ts';
import { namedInvocationError } from './invocation-error.ts';

/** What may change between two calls. */
export interface EndpointSettings {
  /** For the whole answer, milliseconds. */
  readonly timeoutMillis: number;
  readonly targetVariant: string | null;
  readonly targetModel: string | null;
  readonly inferenceComponent: string | null;
}

export interface EndpointOptions {
  /** Must not retry by itself. */
  client: Pick<SageMakerRuntimeClient, 'send'>;
  name: string;
  /** What the endpoint accepts. */
  acceptContentType: ContentType;
  settings: () => EndpointSettings;
  clock: Clock;
}

export interface Answer {
  readonly body: Buffer;
  /** Empty if the endpoint does not say. */
  readonly contentType: string;
  readonly inferenceMillis: number;
}

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
    return this.#options.name;
  }

  /**
   * Asks the endpoint once.
   *
   * @param signal calls it off
   * @throws the service's error: see classifyInvocationError
   * @throws {KvsInferenceError} TIMEOUT if the answer is not complete in time; ANSWER_TOO_LARGE
   */
  async invoke(invocation: Invocation, signal: AbortSignal): Promise<Answer> {
    const { client, clock, settings } = this.#options;
    const { timeoutMillis } = settings();
    const startedAt = clock.monotonic();
    const command = this.#command(invocation);
    const output = await withTimeout(clock, timeoutMillis, signal, (abortSignal) =>
      client.send(command, { abortSignal }),
    ).catch((error: unknown) => {
      throw namedInvocationError(error);
    });
    return {
      body: bufferOf(output.Body),
      contentType: output.ContentType ?? '',
      inferenceMillis: Math.round(clock.monotonic() - startedAt),
    };
  }

  #command({ body, inferenceId, customAttributes }: Invocation): InvokeEndpointCommand {
    const { name, acceptContentType, settings } = this.#options;
    const { targetVariant, targetModel, inferenceComponent } = settings();
    const command = new InvokeEndpointCommand({
      EndpointName: name,
      ContentType: acceptContentType,
      Body: body,
      InferenceId: inferenceId,
      CustomAttributes: customAttributes,
      TargetVariant: targetVariant ?? undefined,
      TargetModel: targetModel ?? undefined,
      InferenceComponentName: inferenceComponent ?? undefined,
    });
    limitAnswer(command);
    return command;
  }
}

/** A view of the same bytes. */
function bufferOf(bytes: Uint8Array | undefined): Buffer {
  return bytes === undefined ? Buffer.alloc(0) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

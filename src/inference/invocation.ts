import { createHash } from 'node:crypto';
import type { SampledFrame } from '../stream/sampled-frame.ts';

/** What SageMaker takes (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html). */
const MAX_CUSTOM_ATTRIBUTES = 1024;

/** One call's content. */
export interface Invocation {
  /** The picture, in the endpoint's content type. */
  readonly body: Buffer;
  /** See inferenceId. */
  readonly inferenceId: string;
  /** See customAttributes. */
  readonly customAttributes: string;
}

/** Recognises a repeat in the endpoint's data capture: 64 characters, which is as long as it may be. */
export function inferenceId(id: string): string {
  return createHash('sha256').update(id).digest('hex');
}

/**
 * What the model is told about the picture: `key=value`, separated by commas, as SageMaker's TensorFlow Serving
 * container reads them (https://github.com/aws/sagemaker-tensorflow-serving-container). Attributes that do not fit
 * are left out, from the end; the names of the services keep all of them short enough.
 */
export function customAttributes(
  frame: Pick<SampledFrame, 'id' | 'streamName' | 'fragment' | 'frame'>,
): string {
  const {
    fragment,
    frame: { index, offsetMillis },
  } = frame;
  const { serverTimestampMillis, producerTimestampMillis } = fragment;
  const attributes = [
    `id=${frame.id}`,
    `streamName=${frame.streamName}`,
    `fragmentNumber=${fragment.fragmentNumber}`,
    `frameIndex=${index}`,
    `serverTimestamp=${isoTime(serverTimestampMillis)}`,
    ...(producerTimestampMillis === null ? [] : [`producerTimestamp=${isoTime(producerTimestampMillis)}`]),
    `frameTimestamp=${isoTime((producerTimestampMillis ?? serverTimestampMillis) + offsetMillis)}`,
  ];
  while (attributes.join(',').length > MAX_CUSTOM_ATTRIBUTES) attributes.pop();
  return attributes.join(',');
}

function isoTime(millis: number): string {
  return new Date(millis).toISOString();
}

import type { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import type { Config, EndpointConfig } from '../config/resolve.ts';
import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import { SageMakerEndpoint } from '../inference/endpoint.ts';
import { PICTURE_FORMATS } from '../inference/inquiry.ts';
import { inferenceId } from '../inference/invocation.ts';
import { classifyInvocationError } from '../inference/invocation-error.ts';
import { type Check, failed, ok, type Verdict, warning } from './check.ts';
import { testPicture } from './test-picture.ts';

/**
 * SageMaker gives a model no longer
 * (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html).
 */
const MAX_MODEL_MILLIS = 60_000;
const MAX_TIMEOUT_MILLIS = 65_000;
/** The check's own limit comes after that of its call. */
const GRACE_MILLIS = 5000;

/** The endpoint is asked about a grey picture, as the worker asks it. */
export function endpointCheck(
  endpoint: EndpointConfig,
  config: Config,
  { sageMakerRuntime, clock }: { sageMakerRuntime: Pick<SageMakerRuntimeClient, 'send'>; clock: Clock },
): Check {
  const { name, acceptContentType } = endpoint;
  const timeoutMillis = Math.min(config.sageMakerTaskTimeoutInMilli, MAX_TIMEOUT_MILLIS);
  return {
    name: 'InvokeEndpoint',
    target: name,
    timeoutMillis: timeoutMillis + GRACE_MILLIS,
    async run(signal) {
      const body = await testPicture({
        format: PICTURE_FORMATS[acceptContentType],
        maxWidth: config.imageMaxWidth ?? null,
        maxHeight: config.imageMaxHeight ?? null,
        quality: config.imageQuality,
        maxBytes: config.sageMakerMaxPayloadBytes,
      });
      const client = new SageMakerEndpoint({
        client: sageMakerRuntime,
        name,
        acceptContentType,
        settings: () => ({ ...endpoint, timeoutMillis }),
        clock,
      });
      const id = 'kvs-inference-doctor';
      try {
        const answer = await client.invoke(
          { body, inferenceId: inferenceId(id), customAttributes: `id=${id}` },
          signal,
        );
        const { length } = answer.body;
        return ok(
          `${length} bytes of ${answer.contentType || 'unnamed type'} in ${answer.inferenceMillis} ms, for a grey picture of ${body.length} bytes of ${acceptContentType}`,
        );
      } catch (error) {
        const verdict = verdictOfInvocation(error, endpoint, timeoutMillis);
        if (verdict === null) throw error;
        return verdict;
      }
    },
  };
}

/** What is of this service alone; null for the rest. */
function verdictOfInvocation(
  error: unknown,
  { name, acceptContentType }: EndpointConfig,
  timeoutMillis: number,
): Verdict | null {
  const errorType = errorName(error);
  const problem = `${errorType}: ${errorMessage(error)}`;
  if (errorType === 'TIMEOUT' && timeoutMillis <= MAX_MODEL_MILLIS) {
    return failed(
      problem,
      'raise sageMakerTaskTimeoutInMilli, or make the model faster: its metric ModelLatency tells how long it takes (if it has none, no call reaches it: is there a way to the service?)',
    );
  }
  if (errorType === 'ANSWER_TOO_LARGE') return failed(problem, 'let the model answer with less');
  if (errorType === 'ModelError') {
    return classifyInvocationError(error) === 'unavailable'
      ? failed(problem, `the model fails: see its log, /aws/sagemaker/Endpoints/${name}`)
      : warning(
          `the endpoint answers, the model refused a grey test picture: ${problem}`,
          `if it refuses real pictures, too: does it take ${acceptContentType}?`,
        );
  }
  if (errorType === 'ModelNotReadyException') return warning(`the model is starting: ${problem}`);
  if (classifyInvocationError(error) === 'throttled') {
    return warning(`permitted, but the endpoint takes no more calls just now: ${problem}`);
  }
  if (errorType.startsWith('Validation')) {
    return failed(
      problem,
      'is the endpoint there, in this region, InService, with this variant, model and component?',
    );
  }
  return null;
}

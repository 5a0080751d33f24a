import type { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import type { Config, EndpointConfig } from '../config/resolve.ts';
import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import { SageMakerEndpoint } from '../inference/endpoint.ts';
import { PICTURE_FORMATS } from '../inference/inquiry.ts';
import { inferenceId } from '../inference/invocation.ts';
import { classifyInvocationError } from '../inference/invocation-error.ts';
import { type Check, mend, ok, type Verdict, warning } from './check.ts';
import { testPicture } from './test-picture.ts';

/** SageMaker ends a call after a minute (API_runtime_InvokeEndpoint). */
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
        const verdict = verdictOfInvocation(error, endpoint);
        if (verdict === null) throw error;
        return verdict;
      }
    },
  };
}

/** What only this service answers; null for the rest. */
function verdictOfInvocation(error: unknown, { name, acceptContentType }: EndpointConfig): Verdict | null {
  const errorType = errorName(error);
  const problem = `${errorType}: ${errorMessage(error)}`;
  if (errorType === 'ModelError') {
    return classifyInvocationError(error) === 'unavailable'
      ? mend(problem, `the model fails: see its log, /aws/sagemaker/Endpoints/${name}`)
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
    return mend(
      problem,
      'is the endpoint there, in this region, InService, with this variant, model and component?',
    );
  }
  return null;
}

import { errorMessage, errorName, httpStatusOf, KvsInferenceError } from '../core/errors.ts';
import { isTransientAwsError, THROTTLING_NAMES } from '../core/retry.ts';

/**
 * What an error says of the endpoint: it takes no more calls just now, it is not there just now, or it is well and
 * will not have this one.
 */
export type InvocationFailure = 'throttled' | 'unavailable' | 'final';

/** What a request failed with that could not even be written: Node.js's names for it. */
const INVALID_REQUEST = /^ERR_INVALID_(ARG|CHAR|HTTP)/;

/**
 * By name and status, as throttling is an HTTP 400, and a model that fails an HTTP 424 with the model's own status in
 * `OriginalStatusCode`
 * (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html#API_runtime_InvokeEndpoint_Errors).
 * Where nobody has answered to the end, the endpoint is unavailable: resets, time-outs, credentials that could not be
 * had.
 */
export function classifyInvocationError(error: unknown): InvocationFailure {
  if (error instanceof KvsInferenceError) return error.retryable ? 'unavailable' : 'final';
  const name = errorName(error);
  const status = answeredStatus(error);
  if (name === 'ModelNotReadyException') {
    // A serverless endpoint that starts, a multi-model endpoint that loads: fewer calls do not make it any faster.
    return 'unavailable';
  }
  if (THROTTLING_NAMES.has(name) || status === 429) return 'throttled';
  // 0 is a model that did not answer SageMaker in time.
  if (name === 'ModelError') return isClientError(status) ? 'final' : 'unavailable';
  if (isWithoutCapacity(error)) return 'unavailable';
  if (INVALID_REQUEST.test(name)) return 'final';
  const isAnswered = status !== undefined && status >= 400;
  return !isAnswered || isTransientAwsError(error) ? 'unavailable' : 'final';
}

/** What an error says of the load: that the endpoint would not have one more call, that it came to none in time. */
export type Overload = 'refused' | 'timedOut' | null;

/** A model whose queue is full answers 503. */
export function overloadOf(error: unknown): Overload {
  if (classifyInvocationError(error) === 'throttled' || answeredStatus(error) === 503) return 'refused';
  return errorName(error) === 'TIMEOUT' || isModelTimeout(error) ? 'timedOut' : null;
}

/** A model's error can quote its whole log. Characters. */
const MAX_MESSAGE = 1000;

/**
 * Cuts a long message, and gives a name to an answer that is an error, but not as SageMaker writes them: a proxy's page,
 * say.
 */
export function namedInvocationError(error: unknown): unknown {
  if (error instanceof Error && error.message.length > MAX_MESSAGE) {
    error.message = `${error.message.slice(0, MAX_MESSAGE)}…`;
  }
  const status = httpStatusOf(error);
  if (errorName(error) !== 'SyntaxError' || status === undefined) return error;
  const named = new Error(`HTTP ${status} without an error that can be read`, { cause: error });
  const { $metadata } = error as { $metadata: unknown };
  return Object.assign(named, { name: `HTTP_${status}`, $metadata });
}

function isClientError(status: number | undefined): boolean {
  return status !== undefined && status >= 400 && status < 500 && status !== 408;
}

function isModelTimeout(error: unknown): boolean {
  const status = answeredStatus(error);
  return errorName(error) === 'ModelError' && (status === 0 || status === 408 || status === 504);
}

/** An inference component that is scaled to zero: SageMaker calls that a validation error while it scales out. */
function isWithoutCapacity(error: unknown): boolean {
  return errorName(error).startsWith('Validation') && /has no capacity/i.test(errorMessage(error));
}

/** The model's own where it is the model that failed; undefined where nobody has answered. */
function answeredStatus(error: unknown): number | undefined {
  const { OriginalStatusCode } = error as { OriginalStatusCode?: number };
  return errorName(error) === 'ModelError' ? OriginalStatusCode : httpStatusOf(error);
}

/** An error of this program: what went wrong (`code`), with what (`details`), and whether trying again can help. */
export class KvsInferenceError extends Error {
  override readonly name: string = 'KvsInferenceError';
  readonly code: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    message: string,
    options: { cause?: unknown; retryable?: boolean; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }
}

/** Bad arguments or bad configuration: the command-line program prints the message and exits with code 2. */
export class UsageError extends KvsInferenceError {
  override readonly name = 'UsageError';

  constructor(message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super('USAGE', message, options);
  }
}

/** An AWS error's name as the service spells it (`ThrottlingException`), or Node.js's or our own code. */
export function errorName(error: unknown): string {
  if (!isError(error)) return 'Unknown';
  const { code } = error as { code?: unknown };
  return GENERIC_NAMES.has(error.name) && typeof code === 'string' ? code : error.name;
}

/** Names that say less than the error's code; the SDK calls a reset connection a TimeoutError, too. */
const GENERIC_NAMES = new Set(['Error', 'TypeError', 'SystemError', 'KvsInferenceError', 'TimeoutError']);

/** The HTTP status of the answer that an AWS error was; undefined where nobody has answered. */
export function httpStatusOf(error: unknown): number | undefined {
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
  return $metadata?.httpStatusCode;
}

export function errorMessage(error: unknown): string {
  return isError(error) ? error.message || error.name : String(error);
}

/** Both, as `ThrottlingException: Rate exceeded`. */
export function errorText(error: unknown): string {
  return `${errorName(error)}: ${errorMessage(error)}`;
}

/** Makes a `switch` over a union exhaustive at compile time. */
export function assertNever(value: never): never {
  throw new Error(`Unexpected value: ${JSON.stringify(value)}`);
}

/** By its shape: an error of another realm, as a DOMException or one of a worker, is no instance of ours. */
function isError(error: unknown): error is Error {
  return typeof error === 'object' && error !== null && 'name' in error && 'message' in error;
}

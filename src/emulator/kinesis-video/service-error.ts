/** The exceptions of the Kinesis Video Streams APIs, with their HTTP status. */
const STATUS = {
  ClientLimitExceededException: 400,
  ConnectionLimitExceededException: 400,
  InvalidArgumentException: 400,
  ResourceInUseException: 400,
  SerializationException: 400,
  TagsPerResourceExceededLimitException: 400,
  VersionMismatchException: 400,
  ResourceNotFoundException: 404,
  UnknownOperationException: 404,
  InternalFailure: 500,
} as const;

export type ServiceErrorType = keyof typeof STATUS;

/** What a caller is answered: the status, the type in the `x-amzn-ErrorType` header, `{"Message"}` as the body. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly type: ServiceErrorType;

  constructor(type: ServiceErrorType, message: string) {
    super(message);
    this.type = type;
  }

  get status(): number {
    return STATUS[this.type];
  }
}

export function streamNotFound(): ServiceError {
  return new ServiceError('ResourceNotFoundException', 'The requested stream is not found or not active.');
}

import { errorMessage, errorName } from './errors.ts';

/** Of an IAM policy (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_statement.html). */
export interface PolicyStatement {
  readonly Effect: 'Allow';
  readonly Action: string;
  readonly Resource: string;
}

/** As the services spell it; Kinesis Video Streams has a name of its own, and so has what KMS refuses to Kinesis. */
const NAMES = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'KMSAccessDeniedException',
  'NotAuthorizedException',
  'UnauthorizedOperation',
]);

export function isAccessDenied(error: unknown): boolean {
  return NAMES.has(errorName(error));
}

/**
 * What AWS says is missing, as a statement to be added: `User: … is not authorized to perform: kms:Decrypt on
 * resource: arn:… because …`
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html). Pure.
 *
 * @returns null if the message does not say it
 */
export function missingStatement(error: unknown): PolicyStatement | null {
  const [, action, resource] =
    /not authorized to perform:? ([\w-]+:\w+)(?:.*? on (?:the )?resource:? ["']?([^\s"']+))?/is.exec(
      errorMessage(error),
    ) ?? [];
  if (action === undefined) return null;
  return { Effect: 'Allow', Action: action, Resource: streamsOfName(resource?.replace(/[.,]$/, '') ?? '*') };
}

/** A video stream's ARN ends in its creation time: a policy is for the stream of that name, whenever it is created. */
export function streamsOfName(resource: string): string {
  return resource.replace(/^(arn:[^:]+:kinesisvideo:[^:]*:[^:]*:stream\/[^/]+)\/\d+$/, '$1/*');
}

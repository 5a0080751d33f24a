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

/** What may not be done, and on what. */
export interface MissingPermission {
  readonly action: string;
  /** Null if it is not known. */
  readonly resource: string | null;
}

/**
 * What AWS says is missing: `User: … is not authorized to perform: kms:Decrypt on resource: arn:… because …`
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html). Pure.
 *
 * @returns null if the message does not say it
 */
export function missingPermission(error: unknown): MissingPermission | null {
  const [, action, resource = '*'] =
    /not authorized to perform:? ([\w-]+:\w+)(?:.*? on (?:the )?resource:? ["']?([^\s"']+))?/is.exec(
      errorMessage(error),
    ) ?? [];
  if (action === undefined) return null;
  return { action, resource: resource === '*' ? null : streamsOfName(resource.replace(/[.,]$/, '')) };
}

/** IAM knows no resource of theirs (https://docs.aws.amazon.com/service-authorization/latest/reference/). */
const WITHOUT_RESOURCE = new Set(['kinesisvideo:ListStreams', 'tag:GetResources']);

/** The statement to be added. A resource that is not known is for a person to fill in. Pure. */
export function statementFor({ action, resource }: MissingPermission): PolicyStatement {
  const unknown = `<ARN of the ${action.startsWith('kms:') ? 'KMS key' : 'resource'}>`;
  const Resource = resource ?? (WITHOUT_RESOURCE.has(action) ? '*' : unknown);
  return { Effect: 'Allow', Action: action, Resource };
}

/** A video stream's ARN ends in its creation time: a policy is for the stream of that name, whenever it is created. */
export function streamsOfName(resource: string): string {
  return resource.replace(/^(arn:[^:]+:kinesisvideo:[^:]*:[^:]*:stream\/[^/]+)\/\d+$/, '$1/*');
}

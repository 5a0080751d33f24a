import {
  isAccessDenied,
  type MissingPermission,
  missingPermission,
  type PolicyStatement,
  statementFor,
  streamsOfName,
} from '../core/access-denied.ts';
import { errorMessage, errorName } from '../core/errors.ts';

/** A call of the AWS SDK. */
export interface Call {
  /** As IAM's actions begin, such as `kinesisvideo`. */
  readonly service: string;
  /** As the API calls it, such as `GetMedia`. */
  readonly operation: string;
  readonly input: object;
  readonly region: string;
}

/** A call that AWS has refused because a policy does not allow it. */
export interface Denial {
  readonly error: string;
  readonly statement: PolicyStatement;
  /** Name of the role that has asked; null if AWS does not say it. */
  readonly role: string | null;
  /** What to do. */
  readonly remedy: string;
}

/**
 * Pure.
 *
 * @param call says what AWS does not; null if that is not known
 * @returns null for any other error, and where nothing is known of what is missing
 */
export function denialOf(error: unknown, call: Call | null): Denial | null {
  if (!isAccessDenied(error)) return null;
  const missing = moreSpecific(said(error), call === null ? null : permissionFor(call));
  if (missing === null) return null;
  const message = errorMessage(error);
  const role = /:assumed-role\/([\w+=,.@-]+)\//.exec(message)?.[1] ?? null;
  const statement = statementFor(missing);
  return { error: errorName(error), statement, role, remedy: remedyFor(message, role) };
}

/**
 * What AWS says. Where it says of a key only that it may not be used, that is a data stream's, for a record to be
 * encrypted (https://docs.aws.amazon.com/streams/latest/dev/permissions-user-key-KMS.html).
 */
function said(error: unknown): MissingPermission | null {
  const encryption = { action: 'kms:GenerateDataKey', resource: null };
  return missingPermission(error) ?? (errorName(error) === 'KMSAccessDeniedException' ? encryption : null);
}

/** What AWS says, but for a resource that it does not name. */
function moreSpecific(
  saidByAws: MissingPermission | null,
  called: MissingPermission | null,
): MissingPermission | null {
  const lacksResource = saidByAws?.resource === null && saidByAws.action === called?.action;
  return lacksResource ? called : (saidByAws ?? called);
}

/**
 * AWS names the kind of policy that is in the way: "because no identity-based policy allows the … action", or "with an
 * explicit deny in a service control policy"
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
 */
function remedyFor(message: string, role: string | null): string {
  const denying = /explicit deny in an? ([\w -]+? policy)/i.exec(message)?.[1];
  if (denying !== undefined) return `the ${denying} denies it explicitly, which no other statement can allow`;
  const lacking = /because no ([\w -]+?) allows/i.exec(message)?.[1] ?? 'identity-based policy';
  if (lacking !== 'identity-based policy') return `add the statement to the ${lacking}`;
  return `add the statement to the policy of ${role === null ? 'the role or user' : `the task role ${role}`}`;
}

/** Where AWS says little, as Kinesis Video Streams does: what was called, on what was named. */
function permissionFor({ service, operation, input, region }: Call): MissingPermission {
  return { action: `${service}:${operation}`, resource: resourceOf(service, input, region) };
}

function resourceOf(service: string, input: Call['input'], region: string): string | null {
  const arn = (path: string) => `arn:${partitionOf(region)}:${service}:${region}:*:${path}`;
  const named = input as Readonly<Record<string, unknown>>;
  const { Bucket, EndpointName, Name, StreamARN, StreamName, TableName } = named;
  if (StreamARN !== undefined) return streamsOfName(String(StreamARN));
  if (StreamName !== undefined) return arn(`stream/${StreamName}${service === 'kinesisvideo' ? '/*' : ''}`);
  if (TableName !== undefined) return arn(`table/${TableName}`);
  if (EndpointName !== undefined) return arn(`endpoint/${EndpointName}`);
  if (Name !== undefined) return arn(`parameter/${String(Name).replace(/^\//, '')}`);
  if (Bucket !== undefined) return `arn:${partitionOf(region)}:s3:::${Bucket}/*`;
  return null;
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html */
function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}

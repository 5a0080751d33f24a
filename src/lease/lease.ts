import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import * as z from 'zod';
import { KvsInferenceError } from '../core/errors.ts';
import type { Checkpoint } from './checkpoint.ts';
import { FREE, RETIRED } from './keys.ts';
import { type SamplingPeriod, samplingSchema } from './sampling.ts';

/** Where a stream's reading began. Fixed once, when its lease is created, so that every start means the same. */
export type StartPosition =
  | { readonly type: 'EARLIEST' }
  /** The first fragment whose server timestamp is this or later, milliseconds since the Unix epoch. */
  | { readonly type: 'SERVER_TIMESTAMP'; readonly millis: number };

/** The right to read one stream, and how far it has been read. */
export interface Lease {
  /** The stream's name, or the key of the lease for synchronization. */
  readonly leaseKey: string;
  /** Of the stream; ends in its creation time. Null while it is not known. */
  readonly streamArn: string | null;
  /** Id of the owning process; null = free or retired. */
  readonly leaseOwner: string | null;
  /** Rises with every write of the owner, so that one that comes too late changes nothing. */
  readonly leaseCounter: number;
  /** Rises with every take and never resets: what fences a former owner's writes. */
  readonly leaseEpoch: number;
  readonly ownerSwitchesSinceCheckpoint: number;
  readonly start: StartPosition;
  readonly checkpoint: Checkpoint | null;
  /** Which of the stream's frames are sampled, oldest first; none before the first frame. */
  readonly sampling: readonly SamplingPeriod[];
  /** When the stream was found gone, milliseconds since the Unix epoch; null for a lease that is in use. */
  readonly retiredAtMillis: number | null;
}

export type LeaseItem = Record<string, AttributeValue>;

export const EARLIEST = 'TRIM_HORIZON';
export const AT_TIMESTAMP = 'AT_TIMESTAMP';

const text = z.object({ S: z.string() }).transform(({ S }) => S);
const integer = z.object({ N: z.string().regex(/^\d+$/, 'a whole number') }).transform(({ N }) => Number(N));

/**
 * The item as it is in the table. Names that the Kinesis Client Library has are spelled as there; `checkpoint`
 * holds a fragment number, or, before the first one, where the stream starts.
 */
const itemSchema = z
  .object({
    leaseKey: text,
    streamArn: text.optional(),
    leaseOwner: text,
    leaseCounter: integer,
    leaseEpoch: integer,
    ownerSwitchesSinceCheckpoint: integer,
    checkpoint: text.refine(
      (value) => value === EARLIEST || value === AT_TIMESTAMP || isFragmentNumber(value),
      `${EARLIEST}, ${AT_TIMESTAMP} or a fragment number`,
    ),
    startTimestampMillis: integer.optional(),
    checkpointTimestampMillis: integer.optional(),
    iFrameCounter: integer,
    sampling: z
      .object({ S: samplingSchema })
      .transform(({ S }) => S)
      .optional(),
    retiredAtMillis: integer.optional(),
  })
  .refine((item) => !isFragmentNumber(item.checkpoint) || item.checkpointTimestampMillis !== undefined, {
    path: ['checkpointTimestampMillis'],
    message: 'needed beside a fragment number',
  })
  .refine((item) => item.checkpoint !== AT_TIMESTAMP || item.startTimestampMillis !== undefined, {
    path: ['startTimestampMillis'],
    message: `needed beside ${AT_TIMESTAMP}`,
  });

function isFragmentNumber(checkpoint: string): boolean {
  return /^\d+$/.test(checkpoint);
}

/** @throws {KvsInferenceError} INVALID_LEASE naming the item and each attribute that is wrong */
export function parseLease(item: LeaseItem): Lease {
  const result = itemSchema.safeParse(item);
  if (!result.success) throw invalidItem('lease', item, result.error);
  const { startTimestampMillis, checkpointTimestampMillis, iFrameCounter, checkpoint, ...rest } = result.data;
  return {
    leaseKey: rest.leaseKey,
    streamArn: rest.streamArn ?? null,
    leaseOwner: rest.leaseOwner === FREE || rest.leaseOwner === RETIRED ? null : rest.leaseOwner,
    leaseCounter: rest.leaseCounter,
    leaseEpoch: rest.leaseEpoch,
    ownerSwitchesSinceCheckpoint: rest.ownerSwitchesSinceCheckpoint,
    retiredAtMillis: rest.retiredAtMillis ?? null,
    sampling: rest.sampling ?? [],
    start:
      startTimestampMillis === undefined
        ? { type: 'EARLIEST' }
        : { type: 'SERVER_TIMESTAMP', millis: startTimestampMillis },
    checkpoint:
      isFragmentNumber(checkpoint) && checkpointTimestampMillis !== undefined
        ? { fragmentNumber: checkpoint, serverTimestampMillis: checkpointTimestampMillis, iFrameCounter }
        : null,
  };
}

/** Names the item and each attribute that is wrong. */
export function invalidItem(what: string, item: LeaseItem, { issues }: z.ZodError): KvsInferenceError {
  const problems = issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  const key = item['leaseKey']?.S ?? '(no leaseKey)';
  return new KvsInferenceError(
    'INVALID_LEASE',
    `${what} item "${key}" cannot be read: ${problems.join('; ')}`,
  );
}

/** The item of a lease that nobody has owned yet. */
export function newLeaseItem(leaseKey: string, streamArn: string | null, start: StartPosition): LeaseItem {
  return {
    leaseKey: { S: leaseKey },
    ...(streamArn === null ? {} : { streamArn: { S: streamArn } }),
    leaseOwner: { S: FREE },
    leaseCounter: { N: '0' },
    leaseEpoch: { N: '0' },
    ownerSwitchesSinceCheckpoint: { N: '0' },
    ...startAttributes(start),
  };
}

/** The attributes of a stream that is read from its start on. */
export function startAttributes(start: StartPosition): LeaseItem {
  return {
    checkpoint: { S: start.type === 'EARLIEST' ? EARLIEST : AT_TIMESTAMP },
    ...(start.type === 'EARLIEST' ? {} : { startTimestampMillis: { N: String(start.millis) } }),
    iFrameCounter: { N: '0' },
  };
}

import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { z } from 'zod';
import { KvsInferenceError } from '../core/errors.ts';
import type { Checkpoint } from './checkpoint.ts';

/** Where a stream's reading began. Fixed once, when its lease is created, so that every start means the same. */
export type StartPosition =
  | { readonly type: 'EARLIEST' }
  /** The first fragment whose server timestamp is this or later, milliseconds since the Unix epoch. */
  | { readonly type: 'SERVER_TIMESTAMP'; readonly millis: number };

/** The right to read one stream, and how far it has been read. */
export interface Lease {
  /** The stream's name. */
  readonly leaseKey: string;
  /** Id of the owning process; null = free. */
  readonly leaseOwner: string | null;
  /** Rises with every renewal: a lease whose counter stands still has lost its owner. */
  readonly leaseCounter: number;
  /** Rises with every take and never resets: what fences a former owner's writes. */
  readonly leaseEpoch: number;
  readonly ownerSwitchesSinceCheckpoint: number;
  readonly start: StartPosition;
  readonly checkpoint: Checkpoint | null;
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
const itemSchema = z.object({
  leaseKey: text,
  leaseOwner: text.optional(),
  leaseCounter: integer,
  leaseEpoch: integer,
  ownerSwitchesSinceCheckpoint: integer,
  checkpoint: text.refine(
    (value) => value === EARLIEST || value === AT_TIMESTAMP || /^\d+$/.test(value),
    `${EARLIEST}, ${AT_TIMESTAMP} or a fragment number`,
  ),
  startTimestampMillis: integer.optional(),
  checkpointTimestampMillis: integer.optional(),
  iFrameCounter: integer,
});

/** @throws {KvsInferenceError} INVALID_LEASE naming the item and each attribute that is wrong */
export function parseLease(item: LeaseItem): Lease {
  const result = itemSchema.safeParse(item);
  if (!result.success) {
    const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    const key = item['leaseKey']?.S ?? '(no leaseKey)';
    throw new KvsInferenceError(
      'INVALID_LEASE',
      `lease item "${key}" cannot be read: ${problems.join('; ')}`,
    );
  }
  const { startTimestampMillis, checkpointTimestampMillis, iFrameCounter, checkpoint, ...rest } = result.data;
  const isFragmentNumber = checkpoint !== EARLIEST && checkpoint !== AT_TIMESTAMP;
  return {
    leaseKey: rest.leaseKey,
    leaseOwner: rest.leaseOwner ?? null,
    leaseCounter: rest.leaseCounter,
    leaseEpoch: rest.leaseEpoch,
    ownerSwitchesSinceCheckpoint: rest.ownerSwitchesSinceCheckpoint,
    start:
      startTimestampMillis === undefined
        ? { type: 'EARLIEST' }
        : { type: 'SERVER_TIMESTAMP', millis: startTimestampMillis },
    checkpoint: isFragmentNumber
      ? {
          fragmentNumber: checkpoint,
          serverTimestampMillis: checkpointTimestampMillis ?? null,
          iFrameCounter,
        }
      : null,
  };
}

/** The item of a lease that nobody has owned yet. */
export function newLeaseItem(leaseKey: string, start: StartPosition): LeaseItem {
  return {
    leaseKey: { S: leaseKey },
    leaseCounter: { N: '0' },
    leaseEpoch: { N: '0' },
    ownerSwitchesSinceCheckpoint: { N: '0' },
    checkpoint: { S: start.type === 'EARLIEST' ? EARLIEST : AT_TIMESTAMP },
    ...(start.type === 'EARLIEST' ? {} : { startTimestampMillis: { N: String(start.millis) } }),
    iFrameCounter: { N: '0' },
  };
}

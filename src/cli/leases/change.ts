import { z } from 'zod';
import { UsageError } from '../../core/errors.ts';
import type { StartPosition } from '../../lease/lease.ts';
import { durationText, isoTime, lastSignOfLife, shortWorkerId } from './text.ts';
import type { LeaseView } from './view.ts';

/** What a person can do to a lease. */
export type Change =
  /** Takes it from its owner. */
  | { readonly type: 'RELEASE' }
  /** Takes it from its owner, and has the stream read from there on. */
  | { readonly type: 'RESET'; readonly to: Position };

/** `NOW` is when the change is made. */
export type Position = StartPosition | { readonly type: 'NOW' };

const isoDateTime = z.union([
  z.iso.datetime({ offset: true }),
  z.iso.datetime({ offset: true, precision: -1 }),
]);

/**
 * `NOW`, `EARLIEST`, or a time with its offset, as one without means another time to each reader.
 *
 * @throws {UsageError} if it is none of them, or no time between 1970 and now
 */
export function parsePosition(text: string, nowMillis: number): Position {
  if (text === 'NOW' || text === 'EARLIEST') return { type: text };
  if (isoDateTime.safeParse(`${text}Z`).success) {
    throw new UsageError(`--to ${text} has no offset: write ${text}Z for UTC, or such as ${text}+02:00`);
  }
  if (!isoDateTime.safeParse(text).success) {
    throw new UsageError(`--to ${text}: expected NOW, EARLIEST, or a time such as 2026-10-05T10:00:00Z`);
  }
  const millis = Date.parse(text);
  if (millis > nowMillis) throw new UsageError(`--to ${text} is in the future: it is ${isoTime(nowMillis)}`);
  if (millis < 0) throw new UsageError(`--to ${text}: expected a time since 1970`);
  return { type: 'SERVER_TIMESTAMP', millis };
}

export function startAt(position: Position, nowMillis: number): StartPosition {
  return position.type === 'NOW' ? { type: 'SERVER_TIMESTAMP', millis: nowMillis } : position;
}

/** What a change does and what follows from it, for the person who has to confirm it. Pure. */
export function consequences(change: Change, view: LeaseView, nowMillis: number): string {
  const lines =
    change.type === 'RELEASE'
      ? [`Release ${view.lease.leaseKey}: ${taken(view)}.`, `${next(view)} ${continued(view)}`]
      : [
          `Reset ${view.lease.leaseKey}: ${taken(view)}${dropped(view)}.`,
          `${next(view)} reads it from ${positionText(change.to)} on.`,
          skippedOrRepeated(millisOf(startAt(change.to, nowMillis)), positionNow(view), nowMillis),
        ];
  return lines.join('\n');
}

function taken({ lease: { leaseOwner }, state, owner, isOwnerSilent }: LeaseView): string {
  if (state === 'RETIRED') return 'its lease is retired and stays so';
  if (leaseOwner === null) return 'its lease is free';
  const sign =
    owner === null
      ? 'which is no worker any more'
      : `last sign of life ${lastSignOfLife(owner)}${isOwnerSilent ? ', dead?' : ''}`;
  return `its lease is taken from worker ${shortWorkerId(leaseOwner)} (${sign}) and made free`;
}

function dropped({ lease: { checkpoint } }: LeaseView): string {
  if (checkpoint === null) return '';
  const { fragmentNumber, serverTimestampMillis } = checkpoint;
  return `; its checkpoint is dropped (fragment ${fragmentNumber} of ${isoTime(serverTimestampMillis)})`;
}

function next({ state }: LeaseView): string {
  return state === 'RETIRED'
    ? 'If the stream comes back, whichever worker takes it'
    : 'Whichever worker takes it next, perhaps the same one,';
}

function continued({ lease: { checkpoint, start } }: LeaseView): string {
  const from =
    checkpoint === null ? `at ${positionText(start)}` : `after fragment ${checkpoint.fragmentNumber}`;
  return `goes on ${from}.\nWhat is done of what follows may be published again, with the same ids.`;
}

/** @param to where it will be read from; null = the earliest. @param from how far it is done, or where it began */
function skippedOrRepeated(to: number | null, from: number | null, nowMillis: number): string {
  if (to !== null && (from === null || to > from)) {
    const span = from === null ? `until ${isoTime(to)}` : `from ${isoTime(from)} until then`;
    const length = from === null ? '' : ` (${durationText(to - from)})`;
    return `What came ${span}${length} and is not published yet is skipped: it never will be.`;
  }
  const until = isoTime(from ?? nowMillis);
  const length = to === null || from === null ? '' : ` (${durationText(from - to)})`;
  return `What came from then until ${until}${length}, as far as the stream still has it, is read and published again; its I-frames are counted anew, so that other frames may be sampled.`;
}

/** Null = the earliest. */
function positionNow({ lease: { checkpoint, start } }: LeaseView): number | null {
  return checkpoint?.serverTimestampMillis ?? millisOf(start);
}

function millisOf(start: StartPosition): number | null {
  return start.type === 'EARLIEST' ? null : start.millis;
}

export function positionText(position: Position): string {
  switch (position.type) {
    case 'NOW':
      return 'now';
    case 'EARLIEST':
      return 'its earliest fragment';
    case 'SERVER_TIMESTAMP':
      return isoTime(position.millis);
  }
}

import type { WorkerView } from './view.ts';

/** Enough of a worker's id to tell it from the others; the log lines have the same. */
const ID_CHARACTERS = 8;

export function shortWorkerId(workerId: string): string {
  return workerId.slice(0, ID_CHARACTERS);
}

const UNITS = [
  { name: 'd', millis: 24 * 60 * 60_000 },
  { name: 'h', millis: 60 * 60_000 },
  { name: 'min', millis: 60_000 },
];

/** `3 s`, `2 min`, `5 h`, `4 d`: at least two of a unit, so that it is never wrong by half. */
export function durationText(millis: number): string {
  const unit = UNITS.find((candidate) => millis >= 2 * candidate.millis);
  if (unit === undefined) return `${Math.max(0, Math.round(millis / 1000))} s`;
  return `${Math.floor(millis / unit.millis)} ${unit.name}`;
}

/** Whole where it is short, else its first and last digits. */
export function shortFragmentNumber(fragmentNumber: string): string {
  return fragmentNumber.replace(/^(.{6}).{4,}(.{6})$/, '$1…$2');
}

/** The times that a Date has, to either side of 1970. */
const MAX_MILLIS = 8.64e15;

/** A time in ISO 8601; a number that is none as it is. */
export function isoTime(millis: number): string {
  return Math.abs(millis) <= MAX_MILLIS ? new Date(millis).toISOString() : String(millis);
}

/** `3 s ago` */
export function lastSignOfLife(worker: WorkerView | null): string {
  const silentMillis = worker?.silentMillis ?? null;
  return silentMillis === null ? '–' : `${durationText(silentMillis)} ago`;
}

import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { problemOf } from './check.ts';
import { type Capture, caseOf } from './corpus.ts';
import { memoryProblemOf } from './memory.ts';

/** What a thread is given. */
export interface Fuzzing {
  readonly captures: readonly Capture[];
  /** Of the first case; each has the next. */
  readonly seed: number;
  readonly minutes: number;
  /** The seed of the case under way, for whoever watches: an Int32Array of one. */
  readonly current: SharedArrayBuffer;
}

export interface Finding {
  readonly seed: number;
  readonly problem: string;
}

/** Memory is looked at in one of so many cases: it takes long. */
const CASES_PER_MEMORY_CHECK = 2000;
const MEMORY_CHECK_BYTES = 16 * 1024 * 1024;

/** Checks case by case until the time is over. @returns the first that goes wrong, or null */
export function fuzz({ captures, seed, minutes, current }: Fuzzing): Finding | null {
  const view = new Int32Array(current);
  const endAt = performance.now() + minutes * 60_000;
  for (let next = seed; performance.now() < endAt; next += 1) {
    Atomics.store(view, 0, next);
    const { bytes } = caseOf(captures, next);
    const withMemory = (next - seed) % CASES_PER_MEMORY_CHECK === 0;
    const problem = problemOfCase(bytes, withMemory);
    if (problem !== null) return { seed: next, problem };
  }
  return null;
}

export function problemOfCase(bytes: Buffer, withMemory: boolean): string | null {
  return problemOf(bytes) ?? (withMemory ? memoryProblemOf(repeated(bytes)) : null);
}

/** A case as a file, to be looked at and checked again. */
export async function writeCase(bytes: Buffer, seed: number): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'kvs-inference-fuzz-')), `case-${seed}.mkv`);
  await writeFile(path, bytes);
  return path;
}

function* repeated(bytes: Buffer): Generator<Buffer, void, undefined> {
  const chunk = bytes.length === 0 ? Buffer.alloc(1) : bytes;
  for (let fed = 0; fed < MEMORY_CHECK_BYTES; fed += chunk.length) yield Buffer.from(chunk);
}

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ElementId } from '../../src/matroska/elements.ts';
import { Random } from '../support/random.ts';
import { generatedBody } from './bodies.ts';
import { elementSpans } from './elements.ts';
import { type Mutation, mutated, randomMutation } from './mutate.ts';

/** A capture in pieces: each starts with an EBML header or a Cluster. */
export type Capture = readonly Buffer[];

export interface Case {
  readonly bytes: Buffer;
  readonly mutations: readonly Mutation[];
}

const MAX_PIECES = 4;
const MAX_MUTATIONS = 4;
/** So often a case is made of nothing that was captured. */
const GENERATED_SHARE = 0.25;

/** Files, and the .mkv files in folders, whatever is damaged in them. */
export async function readCaptures(paths: readonly string[]): Promise<Capture[]> {
  const files = await Promise.all(paths.map(mkvFiles));
  return await Promise.all(files.flat().map(async (path) => piecesOf(await readFile(path))));
}

async function mkvFiles(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const names = await readdir(path, { recursive: true });
  return names
    .filter((name) => name.endsWith('.mkv'))
    .sort()
    .map((name) => join(path, name));
}

export function piecesOf(bytes: Buffer): Capture {
  const starts = elementSpans(bytes)
    .filter(({ id }) => id === ElementId.EBML || id === ElementId.Cluster)
    .map(({ start }) => start);
  return [0, ...starts.filter((start) => start > 0)].map((start, index, all) =>
    bytes.subarray(start, all[index + 1] ?? bytes.length),
  );
}

/** A few pieces of a capture behind one of its headers, damaged; the same for the same seed. */
export function caseOf(captures: readonly Capture[], seed: number): Case {
  const random = new Random(seed);
  const bytes =
    captures.length === 0 || random.chance(GENERATED_SHARE)
      ? generatedBody(random)
      : excerpt(random.pick(captures), random);
  const mutations = Array.from({ length: random.integer(1, MAX_MUTATIONS) }, () => randomMutation(random));
  return { bytes: mutated(bytes, mutations), mutations };
}

function excerpt(capture: Capture, random: Random): Buffer {
  const heads = capture.filter((piece) => piece.length >= 4 && piece.readUInt32BE() === ElementId.EBML);
  const from = random.integer(0, capture.length - 1);
  const pieces = capture.slice(from, from + random.integer(1, MAX_PIECES));
  return Buffer.concat([heads.length === 0 ? Buffer.alloc(0) : random.pick(heads), ...pieces]);
}

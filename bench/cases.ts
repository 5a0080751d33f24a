import type { BenchCase } from './harness/bench-case.ts';
import { parse } from './parse/parse.ts';

/** In the order of a frame's way. */
export const CASES: readonly BenchCase[] = [parse];

interface Program {
  // What it is given is written by its own case.
  // biome-ignore lint/suspicious/noExplicitAny: through JSON
  run(options: any): Promise<unknown>;
}

/** Programs that cases start, by the name that inChild knows them by. Each is loaded only in its own process. */
export const CHILDREN: Readonly<Record<string, () => Promise<Program>>> = {
  parse: () => import('./parse/contestant.ts'),
  'parse-memory': () => import('./parse/memory.ts'),
  demux: () => import('./parse/node-av-demux.ts'),
};

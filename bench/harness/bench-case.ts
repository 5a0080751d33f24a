import type { Measured } from './measured.ts';

export interface CaseOptions {
  /** Only to see that it works: little work, and figures that say nothing. */
  readonly quick: boolean;
  /** How often each contestant runs. */
  readonly rounds: number;
  /** Says what is under way, to who waits. */
  readonly progress: (text: string) => void;
  /** For files; gone when the case is over. */
  readonly folder: string;
  /** Ends the case, with whatever it has started. */
  readonly signal: AbortSignal;
}

/** One of the benchmarks: `npm run bench -- NAME`. */
export interface BenchCase {
  readonly name: string;
  /** One sentence: what against what. */
  readonly description: string;
  /** So long that it is only run when it is asked for by its name. */
  readonly isLong?: boolean;
  /** It reads /proc. */
  readonly needsLinux?: boolean;
  run(options: CaseOptions): Promise<CaseResult>;
}

export interface CaseResult {
  readonly tables: readonly Table[];
  readonly targets: readonly Target[];
  /** What the reader has to know besides, each a sentence or two. */
  readonly notes: readonly string[];
  /** For the README and its plot. */
  readonly figures?: Figures;
}

export interface Figures {
  /** Over TLS. */
  readonly load?: readonly LoadFigure[];
  /** From the last byte of a key frame to the call, decoding left out. */
  readonly addedMillis?: { readonly p50: number; readonly p99: number };
}

/** What a live stream takes of a core. */
export interface LoadFigure {
  readonly video: string;
  readonly inferenceInterval: number;
  readonly coresPerStream: number;
}

export interface Table {
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

export interface Column {
  readonly title: string;
  /** Of numbers, after the point; default 2. */
  readonly digits?: number;
}

/** Null where there is nothing to say. */
export type Cell = string | number | Measured | null;

/** What a figure is to reach. */
export interface Target {
  readonly what: string;
  readonly figure: Measured | number;
  readonly bound: number;
  readonly direction: 'AT_LEAST' | 'AT_MOST';
}

export function atLeast(bound: number, what: string, figure: Measured | number): Target {
  return { what, figure, bound, direction: 'AT_LEAST' };
}

export function atMost(bound: number, what: string, figure: Measured | number): Target {
  return { what, figure, bound, direction: 'AT_MOST' };
}

/** By the median, to the two digits after the point that are shown. */
export function isReached({ figure, bound, direction }: Target): boolean {
  const value = Number(medianOf(figure).toFixed(2));
  return direction === 'AT_LEAST' ? value >= bound : value <= bound;
}

function medianOf(figure: Measured | number): number {
  return typeof figure === 'number' ? figure : figure.median;
}

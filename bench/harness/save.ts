import type { CaseResult } from './bench-case.ts';
import type { Machine } from './machine.ts';

export async function saveResults(
  _machine: Machine,
  _results: Readonly<Record<string, CaseResult>>,
): Promise<void> {}

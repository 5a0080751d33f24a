import { readFile, writeFile } from 'node:fs/promises';
import type { CaseResult, Figures } from '../harness/bench-case.ts';
import type { Machine } from '../harness/machine.ts';
import { plotSvg } from './plot.ts';
import { costMarkdown, summaryMarkdown, withBlock } from './readme.ts';
import { machineText, resultMarkdown } from './text.ts';

/** The last result of each case, and where it comes from. */
export type SavedResults = Readonly<Record<string, SavedResult>>;

interface SavedResult {
  /** ISO 8601, the day. */
  readonly day: string;
  readonly machine: Machine;
  readonly result: CaseResult;
}

const RESULTS = 'bench/results.json';
const PLOT = 'bench/results.svg';

/** Keeps these results in place of the cases' last ones, and writes what is made of all of them. */
export async function saveResults(
  machine: Machine,
  results: Readonly<Record<string, CaseResult>>,
): Promise<void> {
  const day = new Date().toISOString().slice(0, 10);
  const before = JSON.parse(await readFile(RESULTS, 'utf8').catch(() => '{}')) as SavedResults;
  const fresh = Object.entries(results).map(([name, result]) => [name, { day, machine, result }]);
  const all: SavedResults = { ...before, ...Object.fromEntries(fresh) };
  await writeFile(RESULTS, `${JSON.stringify(all, null, 1)}\n`);

  const figures: Figures = Object.assign({}, ...Object.values(all).map(({ result }) => result.figures));
  await writeFile(PLOT, plotSvg(figures));
  await rewrite('bench/README.md', (text) =>
    Object.entries(all).reduce((document, [name, saved]) => withBlock(document, name, section(saved)), text),
  );
  await rewrite('README.md', (text) => {
    const summary = withBlock(text, 'bench', summaryMarkdown(figures));
    return withBlock(summary, 'cost', costMarkdown(figures.load ?? []));
  });
}

function section({ day, machine, result }: SavedResult): string {
  return `\n${resultMarkdown(result)}\n\n${day}, ${machineText(machine)}.\n`;
}

async function rewrite(path: string, change: (text: string) => string): Promise<void> {
  await writeFile(path, change(await readFile(path, 'utf8')));
}

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
  readonly rounds: number;
  readonly result: CaseResult;
}

const RESULTS = 'bench/results.json';

/** Keeps these results in place of the cases' last ones, and writes what is made of all of them. */
export async function saveResults(
  { machine, rounds }: Pick<SavedResult, 'machine' | 'rounds'>,
  results: Readonly<Record<string, CaseResult>>,
): Promise<void> {
  const day = new Date().toISOString().slice(0, 10);
  const before = JSON.parse(await readFile(RESULTS, 'utf8').catch(() => '{}')) as SavedResults;
  const fresh = Object.entries(results).map(([name, result]) => [name, { day, machine, rounds, result }]);
  const all: SavedResults = { ...before, ...Object.fromEntries(fresh) };
  await writeFile(RESULTS, `${JSON.stringify(all, null, 1)}\n`);

  for (const [path, change] of Object.entries(documents(all))) {
    const text = await readFile(path, 'utf8').catch(() => '');
    await writeFile(path, change(text));
  }
}

/** What is made of the results, by its path: from what is there to what is to be there. */
export function documents(all: SavedResults): Readonly<Record<string, (text: string) => string>> {
  const figures: Figures = Object.assign({}, ...Object.values(all).map(({ result }) => result.figures));
  return {
    'bench/results.svg': () => plotSvg(figures),
    'bench/README.md': (text) =>
      Object.entries(all).reduce(
        (document, [name, saved]) => withBlock(document, name, section(saved)),
        text,
      ),
    'README.md': (text) => {
      const summary = withBlock(text, 'bench', summaryMarkdown(figures));
      return withBlock(summary, 'cost', costMarkdown(figures.load ?? []));
    },
  };
}

function section({ day, machine, rounds, result }: SavedResult): string {
  return `\n${resultMarkdown(result)}\n\n${day}, rounds: ${rounds}, ${machineText(machine)}.\n`;
}

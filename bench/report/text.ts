import type picocolors from 'picocolors';
import { textTable } from '../../src/cli/text-table.ts';
import {
  type CaseResult,
  type Cell,
  type Column,
  isReached,
  type Table,
  type Target,
} from '../harness/bench-case.ts';
import type { Machine } from '../harness/machine.ts';

type Colors = ReturnType<typeof picocolors.createColors>;

/** For a person at a terminal. */
export function resultText({ tables, targets, notes }: CaseResult, colors: Colors): string {
  const parts = tables.map((table) => [table.caption, plainTable(table, colors)].join('\n'));
  const goals = targets.map((target) => {
    const mark = isReached(target) ? colors.green('reached') : colors.red('missed ');
    return `  ${mark}  ${targetText(target)}`;
  });
  return [...parts, ...(goals.length > 0 ? [goals.join('\n')] : []), ...notes].join('\n\n');
}

/** The same for bench/README.md. */
export function resultMarkdown({ tables, targets, notes }: CaseResult): string {
  const parts = tables.map(({ caption, columns, rows }) => {
    const head = `| ${columns.map(({ title }) => title).join(' | ')} |`;
    const line = `|${columns.map((_, index) => (index === 0 ? '---' : '--:')).join('|')}|`;
    const body = rows.map(
      (row) => `| ${row.map((cell, index) => cellText(cell, columns[index])).join(' | ')} |`,
    );
    return [caption, '', head, line, ...body].join('\n');
  });
  const goals = targets.map((target) => `- ${isReached(target) ? '' : '**missed**: '}${targetText(target)}`);
  return [...parts, ...(goals.length > 0 ? [goals.join('\n')] : []), ...notes].join('\n\n');
}

/** One line on where the figures come from. */
export function machineText({
  processor,
  cores,
  memoryGiB,
  platform,
  node,
  ffmpeg,
  packages,
}: Machine): string {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  const program = ffmpeg === null ? 'no ffmpeg on the PATH' : `ffmpeg ${ffmpeg}`;
  return `${processor}, ${cores} cores, ${memoryGiB} GiB, ${platform}, Node.js ${node}, ${program}, ${versions.join(', ')}`;
}

function plainTable({ columns, rows }: Table, colors: Colors): string {
  const numbers = columns.map((_, index) => index).slice(1);
  const texts = rows.map((row) => row.map((cell, index) => cellText(cell, columns[index])));
  return textTable(
    columns.map(({ title }) => title),
    texts,
    numbers,
    colors,
  );
}

/** `12.3 ±4 %`: the median, and half of the way from the smallest to the largest. */
function cellText(cell: Cell, column?: Column): string {
  const digits = column?.digits ?? 2;
  if (cell === null) return '–';
  if (typeof cell === 'string') return cell;
  if (typeof cell === 'number') return cell.toFixed(digits);
  const spread = cell.values.length > 1 ? ` ±${Math.round(cell.spread * 50)} %` : '';
  return `${cell.median.toFixed(digits)}${spread}`;
}

function targetText({ what, figure, bound, direction }: Target): string {
  return `${what}: ${cellText(figure)} (${direction === 'AT_LEAST' ? '≥' : '≤'} ${bound})`;
}

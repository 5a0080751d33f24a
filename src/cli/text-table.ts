import Table from 'cli-table3';
import type picocolors from 'picocolors';

export type Colors = ReturnType<typeof picocolors.createColors>;

const NO_LINES = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
    .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'])
    .map((name) => [name, '']),
);

/** Aligned columns without lines between them. @param rightAligned indexes of columns. @returns the lines */
export function tableLines(
  head: readonly string[],
  rows: ReadonlyArray<ReadonlyArray<string | number>>,
  rightAligned: readonly number[],
  colors: Colors,
): string[] {
  const table = new Table({
    head: head.map((name) => colors.dim(name)),
    chars: { ...NO_LINES, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: head.map((_, index) => (rightAligned.includes(index) ? 'right' : 'left')),
  });
  for (const row of rows) table.push([...row]);
  return table
    .toString()
    .split('\n')
    .map((line) => `  ${line.trimEnd()}`);
}

/** The same as one text. */
export function textTable(...table: Parameters<typeof tableLines>): string {
  return tableLines(...table).join('\n');
}

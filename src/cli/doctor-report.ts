import type { PolicyStatement } from '../core/access-denied.ts';
import type { Finding, Result } from '../doctor/check.ts';
import { type Colors, tableLines } from './text-table.ts';

/** Of one check, of those that are right. */
const MAX_OK_ROWS = 5;
/** Of one check, of those that are not. */
const MAX_OTHER_ROWS = 20;
/** However small the terminal, characters. */
const MIN_DETAIL_WIDTH = 30;

/** How many findings have each result. */
export function countsOf(findings: readonly Finding[]): Record<Result, number> {
  const count = (wanted: Result) => findings.filter(({ result }) => result === wanted).length;
  return { ok: count('ok'), warning: count('warning'), error: count('error') };
}

/** One JSON object on one line, with every finding. */
export function reportJson(findings: readonly Finding[]): string {
  return JSON.stringify({ counts: countsOf(findings), findings, statements: statementsOf(findings) });
}

/** For a log: a line each, without colours. */
export function reportLines(findings: readonly Finding[]): string[] {
  const rows = condensed(findings);
  const width = (column: 'check' | 'target') => Math.max(...rows.map((row) => row[column].length));
  const [checkWidth, targetWidth] = [width('check'), width('target')];
  const lines = rows.map((finding) => {
    const { result, check, target, detail } = finding;
    const remedy = remedyText(finding);
    return [
      result.padEnd('warning'.length),
      check.padEnd(checkWidth),
      target.padEnd(targetWidth),
      remedy === null ? oneLine(detail) : `${oneLine(detail)}; to do: ${remedy}`,
    ]
      .join('  ')
      .trimEnd();
  });
  return [...lines, summary(findings)];
}

/**
 * For a person: a table, with what to do below it.
 *
 * @param columns of the terminal
 */
export function reportText(findings: readonly Finding[], colors: Colors, columns: number): string {
  const rows = condensed(findings);
  const paint: Record<Result, (text: string) => string> = {
    ok: colors.green,
    warning: colors.yellow,
    error: colors.red,
  };
  const left = Math.max(...rows.map(({ check, target }) => check.length + target.length));
  const room = Math.max(MIN_DETAIL_WIDTH, columns - left - '  warning'.length - 3 * '  '.length - 1);
  const table = tableLines(
    ['result', 'check', 'target', 'detail'],
    rows.map(({ result, check, target, detail }) => [
      paint[result](result),
      check,
      target,
      cut(detail, room),
    ]),
    [],
    colors,
  );
  const notes = [...grouped(rows.filter(({ result }) => result !== 'ok'))].flatMap(([text, group]) => [
    '',
    ...group.map(
      ({ result, check, target }) => `  ${paint[result](result)} ${colors.bold(`${check} ${target}`)}`,
    ),
    text,
  ]);
  const statements = statementsOf(findings).map((statement) => JSON.stringify(statement));
  const policy =
    statements.length < 2 ? [] : ['', '  All statements together:', `    ${statements.join(',\n    ')}`];
  return [...table, ...notes, ...policy, '', `  ${summary(findings)}`].join('\n');
}

/** Findings that say the same, by what they say. */
function grouped(findings: readonly Finding[]): Map<string, Finding[]> {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const remedy = remedyText(finding);
    const text = `    ${oneLine(finding.detail)}${remedy === null ? '' : `\n    → ${remedy}`}`;
    groups.set(text, [...(groups.get(text) ?? []), finding]);
  }
  return groups;
}

function summary(findings: readonly Finding[]): string {
  const { ok, warning, error } = countsOf(findings);
  const count = (number: number, noun: string) => `${number} ${noun}${number === 1 ? '' : 's'}`;
  return `${count(error, 'error')}, ${count(warning, 'warning')}, ${ok} ok`;
}

/** Each action once, with all its resources. Pure. */
export function statementsOf(
  findings: readonly Finding[],
): Array<{ Effect: 'Allow'; Action: string; Resource: string[] }> {
  const resources = new Map<string, Set<string>>();
  for (const { statement } of findings) {
    if (statement === null) continue;
    const { Action, Resource }: PolicyStatement = statement;
    resources.set(Action, (resources.get(Action) ?? new Set()).add(Resource));
  }
  return [...resources].map(([Action, Resource]) => ({ Effect: 'Allow', Action, Resource: [...Resource] }));
}

/** Of many rows of one kind the first ones, and how many more there are. */
function condensed(findings: readonly Finding[]): Finding[] {
  const kind = ({ check, result }: Finding) => `${check} ${result}`;
  const totals = new Map<string, number>();
  for (const finding of findings) totals.set(kind(finding), (totals.get(kind(finding)) ?? 0) + 1);
  const seen = new Map<string, number>();
  return findings.flatMap((finding) => {
    const index = seen.get(kind(finding)) ?? 0;
    seen.set(kind(finding), index + 1);
    const max = finding.result === 'ok' ? MAX_OK_ROWS : MAX_OTHER_ROWS;
    const more = (totals.get(kind(finding)) ?? 0) - max;
    if (index < max || more === 1) return [finding];
    if (index > max) return [];
    return [
      { ...finding, target: '…', detail: `and ${more} more; --json has all`, remedy: null, statement: null },
    ];
  });
}

function remedyText({ remedy, statement }: Finding): string | null {
  if (remedy === null) return null;
  return statement === null ? remedy : `${remedy}: ${JSON.stringify(statement)}`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

function cut(text: string, length: number): string {
  const line = oneLine(text);
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}

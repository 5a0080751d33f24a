import { type Colors, textTable } from '../../cli/text-table.ts';
import { errorText } from '../../core/errors.ts';

/** What a check has found: a problem has to be mended first, a warning is to be known. */
export interface Finding {
  readonly state: 'ok' | 'warning' | 'problem';
  readonly what: string;
  readonly text: string;
}

export const ok = (what: string, text: string): Finding => ({ state: 'ok', what, text });
export const warning = (what: string, text: string): Finding => ({ state: 'warning', what, text });
export const problem = (what: string, text: string): Finding => ({ state: 'problem', what, text });

/** A check that could not be made hinders nobody: whoever deploys may have fewer permissions than the stack needs. */
export function notChecked(what: string, error: unknown): Finding {
  return warning(what, `not checked: ${errorText(error)}`);
}

export function findingsText(findings: readonly Finding[], colors: Colors): string {
  const mark = { ok: colors.green('ok'), warning: colors.yellow('warning'), problem: colors.red('problem') };
  const rows = findings.map(({ state, what, text }) => [mark[state], what, text]);
  return textTable(['', 'check', 'finding'], rows, [], colors);
}

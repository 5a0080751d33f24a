import type { z } from 'zod';
import { UsageError } from '../core/errors.ts';
import { type Config, configSchema } from './schema.ts';

/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** Path of the key, such as `tagFilters[0].key`; `(whole)` for the text itself. */
  readonly key: string;
  /** What stands there, as JSON; `(missing)` for nothing. */
  readonly value: string;
  readonly expected: string;
}

export type ParsedConfig =
  | { readonly config: Config; readonly problems: readonly [] }
  | { readonly config: null; readonly problems: readonly ConfigProblem[] };

/** Checks the text of a configuration and finds every problem at once. Pure. */
export function parseConfig(text: string): ParsedConfig {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const expected = `a JSON object (${(error as Error).message})`;
    return { config: null, problems: [{ key: '(whole)', value: shorten(JSON.stringify(text)), expected }] };
  }
  const result = configSchema.safeParse(json);
  if (result.success) return { config: result.data, problems: [] };
  return { config: null, problems: result.error.issues.flatMap((issue) => describe(issue, json)) };
}

/** All problems in one error. @param origin where the text came from, such as `ssm:my-app` */
export function configError(origin: string, problems: readonly ConfigProblem[]): UsageError {
  const lines = problems.map(({ key, value, expected }) => `  ${key}: ${value}, expected ${expected}`);
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return new UsageError(`${origin}: ${count} in the configuration\n${lines.join('\n')}`, {
    details: { origin, problems },
  });
}

function describe(issue: z.core.$ZodIssue, json: unknown): ConfigProblem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      key: keyPath([...issue.path, key]),
      value: jsonAt(json, [...issue.path, key]),
      expected: expectedForUnknown(key, issue.path.length),
    }));
  }
  return [{ key: keyPath(issue.path), value: jsonAt(json, issue.path), expected: expectation(issue) }];
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected === 'int' ? 'a whole number' : `${article(issue.expected)} ${issue.expected}`;
    case 'invalid_value':
      return `one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'too_small':
      return `at least ${issue.minimum}${issue.origin === 'string' ? ' characters' : ''}`;
    case 'too_big':
      return `at most ${issue.maximum}${issue.origin === 'string' ? ' characters' : ''}`;
    default:
      return issue.message;
  }
}

function expectedForUnknown(key: string, depth: number): string {
  const known = depth === 0 ? Object.keys(configSchema.shape) : ['key', 'values'];
  const similar = known.find((name) => name.toLowerCase() === key.toLowerCase());
  return similar === undefined ? 'no such key' : `no such key: is "${similar}" meant?`;
}

function keyPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '(whole)';
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}

function jsonAt(json: unknown, path: readonly PropertyKey[]): string {
  let value = json;
  for (const part of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[part];
  return value === undefined ? '(missing)' : shorten(JSON.stringify(value));
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

function article(noun: string): string {
  return /^[aeiou]/.test(noun) ? 'an' : 'a';
}

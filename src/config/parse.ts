import type { z } from 'zod';
import { UsageError } from '../core/errors.ts';
import { type Config, contradictions, resolve } from './resolve.ts';
import { type ConfigKeys, configKeys, endpointSchema, tagFilter } from './schema.ts';

/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** Path of the key, such as `tagFilters[0].key`; `(whole)` for the text itself. */
  readonly key: string;
  /** What stands there, as JSON; `(missing)` for nothing. */
  readonly value: string;
  readonly expected: string;
}

export interface GoodConfig {
  readonly config: Config;
  /** As given. */
  readonly keys: ConfigKeys;
}

export type ParsedConfig =
  | (GoodConfig & { readonly problems: readonly [] })
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
  const result = configKeys.safeParse(json);
  const issues = result.success ? [] : result.error.issues;
  const problems = [
    ...issues.flatMap((issue) => describe(issue, json)),
    ...contradictions(rightKeys(json)).map(({ path, expected }) => ({
      key: keyPath(path),
      value: jsonAt(json, path),
      expected,
    })),
  ];
  if (!result.success || problems.length > 0) return { config: null, problems };
  return { config: resolve(result.data), keys: result.data, problems: [] };
}

/** The keys that are right by themselves: what they contradict is to be said, too, while others are wrong. */
function rightKeys(json: unknown): Partial<ConfigKeys> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return {};
  const entries = Object.entries(configKeys.shape).flatMap(([key, schema]) => {
    const { success, data } = schema.safeParse((json as Record<string, unknown>)[key]);
    return success ? [[key, data] as const] : [];
  });
  return Object.fromEntries(entries);
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
      expected: expectedForUnknown(key, issue.path),
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
    case 'invalid_union':
      return 'a stream name or ARN, or a tag filter {"key": …, "values": […]}';
    case 'too_small':
      return `at least ${issue.minimum}${unit(issue.origin, issue.minimum)}`;
    case 'too_big':
      return `at most ${issue.maximum}${unit(issue.origin, issue.maximum)}`;
    default:
      return issue.message;
  }
}

function unit(origin: string, count: number | bigint): string {
  if (origin === 'string') return count === 1 ? ' character' : ' characters';
  if (origin === 'array') return count === 1 ? ' entry' : ' entries';
  return '';
}

function expectedForUnknown(key: string, path: readonly PropertyKey[]): string {
  const { shape } = path.length === 0 ? configKeys : path[0] === 'endpoints' ? endpointSchema : tagFilter;
  const known = Object.keys(shape);
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

import { isDeepStrictEqual } from 'node:util';
import {
  type Configuration,
  moreConfigurationText,
  parseConfiguration,
  parseMoreConfiguration,
} from './configuration.ts';
import { keyOf, optionName, type ParameterValues, valueProblem } from './parameters.ts';
import type { Template } from './template.ts';

export interface TuningInput {
  readonly template: Template;
  /** What the user has given for this deployment. */
  readonly given: ParameterValues;
  /** Every parameter's value with it. */
  readonly values: ParameterValues;
  /** The text that the parameters make. */
  readonly render: (values: ParameterValues) => string;
  /** What stands in the SSM parameter now; null: there is none. */
  readonly live: string | null;
  /** What the stack has put there last; null: the SSM parameter is not the stack's. */
  readonly before: string | null;
  /** Whether tuned keys are dropped. */
  readonly replace: boolean;
}

export interface Tuning {
  /** Parameters that have to change so that what was tuned is kept. */
  readonly parameters: ParameterValues;
  /** The text that will stand in the SSM parameter. */
  readonly next: string;
  /** Keys that are not as they were, and those kept as they were tuned. */
  readonly rows: readonly DifferenceRow[];
}

export interface DifferenceRow {
  readonly key: string;
  /** JSON; undefined: the key is not there. */
  readonly live: string | undefined;
  readonly next: string | undefined;
  readonly what: string;
}

/** For messages. */
const LIVE = 'the live configuration (--replace-config replaces it)';

/** What the stack alone decides: taken over from no other one. */
const KEYS_OF_THE_STACK = new Set(['kdsStreamName', 'leaseTable', 'createLeaseTable', 'stopTimeoutInMilli']);

/**
 * Keeps what was tuned in the live configuration: in the stack parameter that the key belongs to, as the roles follow
 * those, and otherwise in `MoreConfiguration`. What is given now wins. Pure.
 *
 * @throws {UsageError} if the live configuration or `MoreConfiguration` is no JSON
 */
export function keepTuned(input: TuningInput): Tuning {
  const { given, live, before, render, replace } = input;
  const liveKeys = live === null || replace ? {} : parseConfiguration(live, LIVE);
  const beforeKeys = before === null ? null : parseConfiguration(before, "the stack's configuration");
  const tuned = Object.fromEntries(
    Object.entries(liveKeys).filter(([key, value]) =>
      beforeKeys === null ? !KEYS_OF_THE_STACK.has(key) : !isDeepStrictEqual(beforeKeys[key], value),
    ),
  );
  const values: Record<string, string> = { ...input.values };
  const more: Record<string, unknown> = { ...parseMoreConfiguration(values['MoreConfiguration'] ?? '') };
  const givenKeys = new Set(Object.keys(given).map(keyOf));
  if (given['MoreConfiguration'] === undefined) for (const key of givenKeys) delete more[key];
  else for (const key of Object.keys(more)) givenKeys.add(key);

  // What has been taken out of the live configuration does not come back.
  const isTakenOut = (key: string) =>
    live !== null && !replace && beforeKeys !== null && key in beforeKeys && !(key in liveKeys);
  for (const key of Object.keys(more)) if (isTakenOut(key) && !givenKeys.has(key)) delete more[key];
  for (const [key, value] of Object.entries(tuned)) {
    if (givenKeys.has(key)) continue;
    const parameter = parameterFor(key, value, { ...input, values });
    if (parameter === null) more[key] = value;
    else {
      values[parameter.name] = parameter.value;
      delete more[key];
    }
  }
  if (!isDeepStrictEqual(more, parseMoreConfiguration(values['MoreConfiguration'] ?? ''))) {
    values['MoreConfiguration'] = moreConfigurationText(more);
  }

  const next = render(values);
  const parameters = Object.fromEntries(
    Object.entries(values).filter(([name, value]) => value !== input.values[name]),
  );
  return { parameters, next, rows: rows(input, next) };
}

/** The parameter that the key belongs to and what it has to be, if it can express the value. */
function parameterFor(
  key: string,
  value: unknown,
  { template, values, render }: TuningInput,
): { name: string; value: string } | null {
  const name = Object.keys(template.Parameters).find((parameterName) => keyOf(parameterName) === key);
  const parameter = name === undefined ? undefined : template.Parameters[name];
  const text = parameterText(value);
  if (name === undefined || parameter === undefined || text === null) return null;
  if (valueProblem(parameter, text) !== null) return null;
  const without = { ...values, MoreConfiguration: '', [name]: text };
  const rendered = parseConfiguration(render(without), 'the configuration');
  return isDeepStrictEqual(rendered[key], value) ? { name, value: text } : null;
}

function parameterText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (!Array.isArray(value)) return null;
  return value.map((item) => (typeof item === 'string' ? item : JSON.stringify(item))).join(',');
}

function rows({ live, before, given, replace }: TuningInput, next: string): DifferenceRow[] {
  if (live === null) return [];
  const liveKeys = replace ? lenient(live) : parseConfiguration(live, LIVE);
  const nextKeys = parseConfiguration(next, 'the new configuration');
  const beforeKeys = before === null ? null : lenient(before);
  const options = new Map(Object.keys(given).map((name) => [keyOf(name), `--${optionName(name)}`]));
  const keys = new Set([liveKeys, nextKeys, beforeKeys ?? {}].flatMap((each) => Object.keys(each)));
  return [...keys].flatMap((key) => {
    const [now, then] = [liveKeys[key], nextKeys[key]];
    const isTuned = beforeKeys !== null && !isDeepStrictEqual(beforeKeys[key], now);
    const isSame = isDeepStrictEqual(now, then);
    if (isSame && !isTuned && beforeKeys !== null) return [];
    const what = whatHappens({ isSame, isTuned, isAdopted: beforeKeys === null, by: options.get(key) });
    return [{ key, live: json(now), next: json(then), what }];
  });
}

function whatHappens(of: { isSame: boolean; isTuned: boolean; isAdopted: boolean; by: string | undefined }) {
  if (of.isSame) return of.isAdopted ? 'taken over' : 'tuned: kept';
  const by = of.by === undefined ? '' : ` by ${of.by}`;
  return of.isTuned ? `tuned: replaced${by}` : `changed${by}`;
}

/** What is to be replaced may be anything. */
function lenient(text: string): Configuration {
  try {
    return parseConfiguration(text, '');
  } catch {
    return {};
  }
}

function json(value: unknown): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}

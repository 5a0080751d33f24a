import { type ParameterReader, readParameter } from '../config/load.ts';
import { parseConfig } from '../config/parse.ts';
import type { Config } from '../config/resolve.ts';
import type { Clock } from '../core/clock.ts';
import { UsageError } from '../core/errors.ts';
import { type Check, failed, known, type Outcome, ok } from './check.ts';

/** Where the configuration comes from. */
export type ConfigSource =
  | { readonly type: 'PARAMETER'; readonly name: string }
  /** `text` is what the file holds. */
  | { readonly type: 'FILE'; readonly path: string; readonly text: string };

/** @param next what the configuration needs */
export function configurationCheck(
  source: ConfigSource,
  { ssm, clock }: { ssm: ParameterReader; clock: Clock },
  next: (config: Config) => readonly Check[],
): Check {
  if (source.type === 'FILE') {
    const { path, text } = source;
    return { name: 'configuration', target: path, run: async () => outcomeOf(text, next) };
  }
  const { name } = source;
  return {
    name: 'GetParameter',
    target: name,
    async run(signal) {
      try {
        return outcomeOf(await readParameter(ssm, name, { clock, signal }), next);
      } catch (error) {
        if (!(error instanceof UsageError)) throw (error as Error).cause ?? error;
        return failed('there is no such parameter', 'create it, or correct CONFIG_PARAMETER or --parameter');
      }
    },
  };
}

function outcomeOf(text: string, next: (config: Config) => readonly Check[]): Outcome {
  const { config, problems } = parseConfig(text);
  if (config !== null) return { ...ok('the configuration is right'), next: next(config) };
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return {
    ...failed(`${count} in the configuration: nothing else is checked`, null),
    next: problems.map(({ key, value, expected }) =>
      known('configuration', key, failed(`${value}, expected ${expected}`, null)),
    ),
  };
}

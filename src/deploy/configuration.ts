import { KvsInferenceError, UsageError } from '../core/errors.ts';
import { evaluate } from './intrinsics.ts';
import type { ParameterValues } from './parameters.ts';
import type { Template } from './template.ts';

/** A configuration as its JSON object has it. */
export type Configuration = Readonly<Record<string, unknown>>;

/** Physical ids by logical ids, such as `Kds`. */
export type PhysicalIds = Readonly<Record<string, string>>;

/** Logical id of the SSM parameter. */
export const CONFIGURATION_RESOURCE = 'Params';

/**
 * The text that the stack puts into its SSM parameter. Pure.
 *
 * @throws {KvsInferenceError} TEMPLATE if the template has no such parameter
 */
export function renderConfiguration(
  template: Template,
  parameters: ParameterValues,
  physicalIds: PhysicalIds,
): string {
  const value = template.Resources[CONFIGURATION_RESOURCE]?.Properties?.['Value'];
  if (value === undefined) {
    throw new KvsInferenceError('TEMPLATE', `the template has no ${CONFIGURATION_RESOURCE} with a Value`);
  }
  const ref = (name: string) => parameters[name] ?? physicalIds[name];
  return String(evaluate(value, { ref, conditions: template.Conditions ?? {} }));
}

/** Names such as CloudFormation will give to what does not exist yet, of the right length. */
export function expectedPhysicalIds(template: Template, stackName: string): PhysicalIds {
  return Object.fromEntries(
    Object.keys(template.Resources).map((logicalId) => [logicalId, `${stackName}-${logicalId}-XXXXXXXXXXXX`]),
  );
}

/** @param origin of the text, for the message. @throws {UsageError} if it is no JSON object */
export function parseConfiguration(text: string, origin: string): Configuration {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Configuration;
  } catch (error) {
    throw new UsageError(`${origin}: no JSON: ${(error as Error).message}`, { cause: error });
  }
  throw new UsageError(`${origin}: no JSON object`);
}

/** The stack parameter `MoreConfiguration`: a JSON object without its braces. */
export function parseMoreConfiguration(text: string): Configuration {
  return parseConfiguration(`{${text}}`, '--more-configuration');
}

export function moreConfigurationText(configuration: Configuration): string {
  return JSON.stringify(configuration).slice(1, -1);
}

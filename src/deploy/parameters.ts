import type { Parameter } from '@aws-sdk/client-cloudformation';
import { evaluate } from './intrinsics.ts';
import type { Template, TemplateParameter } from './template.ts';

/** Values of stack parameters by their names. */
export type ParameterValues = Readonly<Record<string, string>>;

/** CloudFormation's limit for the value of a parameter. */
const MAX_VALUE_BYTES = 4096;

/** Options that are shorter than the names of their parameters. */
const OPTION_NAMES: Readonly<Record<string, string>> = {
  SageMakerEndpoint: 'endpoint',
  DockerImageRepository: 'image',
};

/** `StreamNames` → `stream-names` */
export function optionName(parameterName: string): string {
  const words = parameterName.replaceAll(/(?<=[a-z0-9])[A-Z]/g, (capital) => `-${capital}`);
  return OPTION_NAMES[parameterName] ?? words.toLowerCase();
}

/** `StreamNames` → `streamNames`: the key of the configuration that the parameter decides, if there is one. */
export function keyOf(parameterName: string): string {
  return `${parameterName.charAt(0).toLowerCase()}${parameterName.slice(1)}`;
}

/** What is wrong with the values, a line for each; CloudFormation would say the same, later. Pure. */
export function valueProblems(template: Template, values: ParameterValues): string[] {
  const problems = Object.entries(values).flatMap(([name, value]) => {
    const parameter = template.Parameters[name];
    const problem =
      parameter === undefined ? 'the template has no such parameter' : valueProblem(parameter, value);
    return problem === null ? [] : [`--${optionName(name)} ${JSON.stringify(shorten(value))}: ${problem}`];
  });
  return [...problems, ...scalingProblems(values)];
}

/** A template's rule cannot compare numbers. */
function scalingProblems({ MinWorkers, MaxWorkers }: ParameterValues): string[] {
  if (MinWorkers === undefined || MaxWorkers === undefined) return [];
  if (Number(MinWorkers) <= Number(MaxWorkers)) return [];
  return [`--min-workers ${MinWorkers} is more than --max-workers ${MaxWorkers}`];
}

export function valueProblem(parameter: TemplateParameter, value: string): string | null {
  const { AllowedValues, AllowedPattern, ConstraintDescription } = parameter;
  const bytes = Buffer.byteLength(value);
  if (bytes > MAX_VALUE_BYTES) {
    return `${bytes} bytes, and CloudFormation takes ${MAX_VALUE_BYTES}; many streams are better chosen by tag filters`;
  }
  if (AllowedValues !== undefined && !AllowedValues.map(String).includes(value)) {
    return `expected one of ${AllowedValues.map((allowed) => (allowed === '' ? '""' : allowed)).join(', ')}`;
  }
  const isRight =
    (AllowedPattern === undefined || new RegExp(`^(?:${AllowedPattern})$`).test(value)) &&
    isInRange(parameter, value);
  return isRight ? null : `expected ${ConstraintDescription ?? rangeText(parameter)}`;
}

function isInRange({ Type, MinValue, MaxValue, MinLength, MaxLength }: TemplateParameter, value: string) {
  if (Type === 'Number') {
    const number = value.trim() === '' ? Number.NaN : Number(value);
    return number >= (MinValue ?? -Infinity) && number <= (MaxValue ?? Infinity);
  }
  return value.length >= (MinLength ?? 0) && value.length <= (MaxLength ?? Infinity);
}

function rangeText({ Type, MinValue, MaxValue, MinLength, MaxLength }: TemplateParameter): string {
  const [kind, from, to] =
    Type === 'Number'
      ? ['a number', MinValue, MaxValue]
      : ['a text of so many characters:', MinLength, MaxLength];
  return [
    kind,
    ...(from === undefined ? [] : [`from ${from}`]),
    ...(to === undefined ? [] : [`to ${to}`]),
  ].join(' ');
}

/** Every parameter that has a value: the one given, or else the stack's, or else the template's default. Pure. */
export function effectiveValues(
  template: Template,
  given: ParameterValues,
  previous: ParameterValues,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(template.Parameters).flatMap(([name, { Default }]) => {
      const value = given[name] ?? previous[name] ?? Default;
      return value === undefined ? [] : [[name, String(value)]];
    }),
  );
}

/** Parameters without a value, and assertions of the template's rules that do not hold, a line for each. Pure. */
export function ruleProblems(template: Template, values: ParameterValues): string[] {
  const missing = Object.entries(template.Parameters).flatMap(([name, { Description = '' }]) =>
    values[name] === undefined ? [`--${optionName(name)} is needed: ${Description}`] : [],
  );
  if (missing.length > 0) return missing;
  const scope = { ref: (name: string) => values[name], conditions: template.Conditions ?? {} };
  const broken = Object.values(template.Rules ?? {})
    .filter(({ RuleCondition = true }) => evaluate(RuleCondition, scope) === true)
    .flatMap(({ Assertions }) => Assertions)
    .filter(({ Assert }) => evaluate(Assert, scope) !== true)
    .map(({ AssertDescription = 'a rule of the template does not hold' }) => AssertDescription);
  return [...broken, ...scalingProblems(values)];
}

/** As CreateChangeSet takes them: what neither changes nor has a default is told to stay. Pure. */
export function changeSetParameters(
  template: Template,
  changed: ParameterValues,
  previous: ParameterValues,
): Parameter[] {
  return Object.keys(template.Parameters).flatMap((ParameterKey): Parameter[] => {
    const ParameterValue = changed[ParameterKey];
    if (ParameterValue !== undefined) return [{ ParameterKey, ParameterValue }];
    return previous[ParameterKey] === undefined ? [] : [{ ParameterKey, UsePreviousValue: true }];
  });
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

import { Evaluator, type Parameters } from './evaluate.ts';
import type { Template, TemplateParameter } from './template.ts';

/** Why CloudFormation would refuse these parameters: `NAME: message` or the rule's description. */
export function refusals(template: Template, given: Parameters): string[] {
  const { Parameters: parameters = {}, Rules = {} } = template;
  const ofParameters = Object.entries(parameters).flatMap(([name, parameter]) => {
    const value = given[name] ?? parameter.Default;
    if (value === undefined) return [`${name}: must have a value`];
    return isAccepted(parameter, String(value)) ? [] : [`${name}: ${parameter.ConstraintDescription ?? ''}`];
  });
  const unknown = Object.keys(given).filter((name) => !(name in parameters));
  const evaluator = new Evaluator(template, given);
  const ofRules = Object.values(Rules)
    .filter(({ RuleCondition }) => RuleCondition === undefined || evaluator.holds(RuleCondition))
    .flatMap(({ Assertions }) => Assertions.filter(({ Assert }) => !evaluator.holds(Assert)))
    .map(({ AssertDescription }) => AssertDescription);
  return [...unknown.map((name) => `${name}: there is no such parameter`), ...ofParameters, ...ofRules];
}

function isAccepted(parameter: TemplateParameter, value: string): boolean {
  const { Type, AllowedPattern, AllowedValues, MinValue, MaxValue, MinLength, MaxLength } = parameter;
  if (Type === 'Number') {
    const number = Number(value);
    if (value.trim() === '' || Number.isNaN(number)) return false;
    if (number < (MinValue ?? number) || number > (MaxValue ?? number)) return false;
  }
  if (value.length < (MinLength ?? 0) || value.length > (MaxLength ?? value.length)) return false;
  if (AllowedPattern !== undefined && !new RegExp(AllowedPattern).test(value)) return false;
  return AllowedValues === undefined || AllowedValues.map(String).includes(value);
}

import { evaluate as evaluateFunctions, NO_VALUE, type Scope } from '../../src/deploy/intrinsics.ts';
import { isObject, type Json, type JsonObject, type Template } from './template.ts';

export type Parameters = Readonly<Record<string, string | number>>;

export interface EvaluatedResource {
  Type: string;
  Properties: JsonObject;
  DeletionPolicy?: string;
  UpdateReplacePolicy?: string;
}

/** What CloudFormation would make of a template. */
export interface Stack {
  /** Without those whose condition does not hold. */
  readonly resources: Record<string, EvaluatedResource>;
  readonly outputs: Record<string, Json>;
}

export const PSEUDO_PARAMETERS: Readonly<Record<string, string>> = {
  'AWS::AccountId': '123456789012',
  'AWS::Partition': 'aws',
  'AWS::Region': 'us-east-1',
  'AWS::StackId': 'arn:aws:cloudformation:us-east-1:123456789012:stack/stack/id',
  'AWS::StackName': 'stack',
  'AWS::URLSuffix': 'amazonaws.com',
};

/**
 * Evaluates all functions of a template. What only a real stack knows is text that says where it is from: `Kds.Ref`
 * for `!Ref Kds`, `Kds.Arn` for `!GetAtt Kds.Arn`.
 */
export function evaluate(template: Template, parameters: Parameters): Stack {
  const evaluator = new Evaluator(template, parameters);
  const { Resources, Outputs = {} } = template;
  const exists = ({ Condition }: { Condition?: Json }) =>
    Condition === undefined || evaluator.condition(String(Condition));
  return {
    resources: Object.fromEntries(
      Object.entries(Resources)
        .filter(([, resource]) => exists(resource))
        .map(([id, { Type, Properties = {}, DeletionPolicy, UpdateReplacePolicy }]) => [
          id,
          {
            Type,
            Properties: evaluator.value(Properties) as JsonObject,
            ...(DeletionPolicy === undefined ? {} : { DeletionPolicy }),
            ...(UpdateReplacePolicy === undefined ? {} : { UpdateReplacePolicy }),
          },
        ]),
    ),
    outputs: Object.fromEntries(
      Object.entries(Outputs)
        .filter(([, output]) => exists(output))
        .map(([id, { Value = null }]) => [id, evaluator.value(Value) ?? null]),
    ),
  };
}

/** Evaluates values of one template for given parameters; those not given have their defaults. */
export class Evaluator {
  readonly #scope: Scope;

  constructor({ Parameters = {}, Conditions = {} }: Template, parameters: Parameters) {
    const ref = (name: string) => {
      const parameter = Parameters[name];
      if (parameter === undefined) return PSEUDO_PARAMETERS[name] ?? `${name}.Ref`;
      const value = parameters[name] ?? parameter.Default;
      if (value === undefined) throw new Error(`the parameter ${name} is not given`);
      return parameter.Type === 'Number' ? Number(value) : String(value);
    };
    const getAtt = (logicalId: string, attribute: string) => `${logicalId}.${attribute}`;
    this.#scope = { ref, getAtt, conditions: Conditions };
  }

  condition(name: string): boolean {
    return this.holds({ Condition: name });
  }

  holds(value: Json): boolean {
    const result = this.value(value);
    if (typeof result !== 'boolean') throw new Error(`${JSON.stringify(value)} is no condition`);
    return result;
  }

  /** @returns undefined for `AWS::NoValue`, which leaves out the property or element */
  value(value: Json): Json | undefined {
    const result = evaluateFunctions(withZones(value), this.#scope);
    return result === NO_VALUE ? undefined : (result as Json);
  }
}

/** A deployment has no use for the function. */
function withZones(value: Json): Json {
  if (Array.isArray(value)) return value.map(withZones);
  if (!isObject(value)) return value;
  if ('Fn::GetAZs' in value) return ['us-east-1a', 'us-east-1b', 'us-east-1c'];
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withZones(item)]));
}

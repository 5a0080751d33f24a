import { calledFunction, isObject, type Json, type JsonObject, type Template } from './template.ts';

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
  readonly #template: Template;
  readonly #parameters: Parameters;

  constructor(template: Template, parameters: Parameters) {
    this.#template = template;
    this.#parameters = parameters;
  }

  condition(name: string): boolean {
    return this.holds(this.#template.Conditions?.[name] ?? null);
  }

  holds(value: Json): boolean {
    const [name, argument] = calledFunction(value) ?? ['', null];
    const args = list(argument);
    switch (name) {
      case 'Condition':
        return this.condition(String(argument));
      case 'Fn::Equals':
        return this.#text(args[0]) === this.#text(args[1]);
      case 'Fn::Contains':
        return list(args[0]).map(String).includes(this.#text(args[1]));
      case 'Fn::Not':
        return !this.holds(args[0] ?? null);
      case 'Fn::And':
        return severalOf(args).every((each) => this.holds(each));
      case 'Fn::Or':
        return severalOf(args).some((each) => this.holds(each));
      default:
        throw new Error(`${JSON.stringify(value)} is no condition`);
    }
  }

  /** @returns undefined for `AWS::NoValue`, which leaves out the property or element */
  value(value: Json): Json | undefined {
    const call = calledFunction(value);
    if (call !== null) return this.#call(call);
    if (Array.isArray(value))
      return value.map((each) => this.value(each)).filter((each) => each !== undefined);
    if (!isObject(value)) return value;
    const entries = Object.entries(value).map(([key, each]) => [key, this.value(each)] as const);
    return Object.fromEntries(entries.filter((entry): entry is [string, Json] => entry[1] !== undefined));
  }

  #call([name, argument]: [string, Json]): Json | undefined {
    const args = list(argument);
    switch (name) {
      case 'Ref':
        return this.#ref(String(argument));
      case 'Fn::GetAtt':
        return args.join('.');
      case 'Fn::If':
        return this.value(args[this.condition(String(args[0])) ? 1 : 2] ?? null);
      case 'Fn::Sub':
        return this.#substitute(this.#text(args[0]), isObject(args[1]) ? args[1] : {});
      case 'Fn::Join':
        return this.#list(args[1]).join(this.#text(args[0]));
      case 'Fn::Split':
        return this.#text(args[1]).split(this.#text(args[0]));
      case 'Fn::Select': {
        const element = this.#list(args[1])[Number(args[0])];
        if (element === undefined) throw new Error(`there is nothing to select: ${JSON.stringify(args)}`);
        return element;
      }
      case 'Fn::GetAZs':
        return ['us-east-1a', 'us-east-1b', 'us-east-1c'];
      default:
        throw new Error(`${name} is not evaluated`);
    }
  }

  #ref(name: string): Json | undefined {
    if (name === 'AWS::NoValue') return undefined;
    const parameter = this.#template.Parameters?.[name];
    if (parameter === undefined) return PSEUDO_PARAMETERS[name] ?? `${name}.Ref`;
    const value = this.#parameters[name] ?? parameter.Default;
    if (value === undefined) throw new Error(`the parameter ${name} is not given`);
    return parameter.Type === 'Number' ? Number(value) : String(value);
  }

  #substitute(text: string, own: JsonObject): string {
    return text
      .replace(/\$\{([^!}][^}]*)\}/g, (_all, name: string) => {
        if (name in own) return this.#text(own[name]);
        return name.includes('.') ? name : this.#text({ Ref: name });
      })
      .replaceAll('${!', '${');
  }

  #text(value: Json | undefined): string {
    const text = value === undefined ? undefined : this.value(value);
    if (typeof text === 'string' || typeof text === 'number') return String(text);
    throw new Error(`${JSON.stringify(value)} is no text`);
  }

  #list(value: Json | undefined): Json[] {
    const elements = value === undefined ? undefined : this.value(value);
    if (Array.isArray(elements)) return elements;
    throw new Error(`${JSON.stringify(value)} is no list`);
  }
}

const list = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : [value ?? null]);

/** CloudFormation's limits of `Fn::And` and `Fn::Or`. */
function severalOf(args: Json[]): Json[] {
  if (args.length < 2 || args.length > 10)
    throw new Error(`2 to 10 conditions go together, not ${args.length}`);
  return args;
}

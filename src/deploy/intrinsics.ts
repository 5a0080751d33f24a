import { KvsInferenceError } from '../core/errors.ts';

/** What the functions are evaluated in. */
export interface Scope {
  /** The value that `Ref` has of a parameter, resource or pseudo parameter; undefined: there is no such. */
  readonly ref: (name: string) => unknown;
  readonly getAtt?: (logicalId: string, attribute: string) => unknown;
  /** Those of the template, not evaluated. */
  readonly conditions?: Readonly<Record<string, unknown>>;
}

/** What stands for `AWS::NoValue`: a property or an item that is not there. */
export const NO_VALUE: unique symbol = Symbol('AWS::NoValue');

/**
 * The value with its intrinsic functions evaluated, as CloudFormation does; comparisons are of texts
 * (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html).
 *
 * @throws {KvsInferenceError} TEMPLATE naming a function that is not known, or what it refers to and is not there
 */
export function evaluate(value: unknown, scope: Scope): unknown {
  if (Array.isArray(value)) {
    return value.map((item) => evaluate(item, scope)).filter((item) => item !== NO_VALUE);
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [name, operand] = entries[0] ?? [];
  if (entries.length === 1 && name !== undefined && isFunction(name, operand)) {
    return call(name, operand, scope);
  }
  return Object.fromEntries(
    entries
      .map(([key, item]) => [key, evaluate(item, scope)] as const)
      .filter(([, item]) => item !== NO_VALUE),
  );
}

/** Statements of policies have a key `Condition`, too, but with an object. */
function isFunction(name: string, operand: unknown): boolean {
  return name === 'Ref' || name.startsWith('Fn::') || (name === 'Condition' && typeof operand === 'string');
}

function call(name: string, operand: unknown, scope: Scope): unknown {
  const operands = () => (Array.isArray(operand) ? operand : [operand]);
  const all = () => operands().map((item) => evaluate(item, scope));
  const texts = () => all().map(text);
  switch (name) {
    case 'Ref':
      return reference(String(operand), scope);
    case 'Condition':
      return condition(String(operand), scope);
    case 'Fn::GetAtt': {
      const [logicalId, attribute] = texts() as [string, string];
      return scope.getAtt?.(logicalId, attribute) ?? fail(`nothing is known of ${logicalId}.${attribute}`);
    }
    case 'Fn::If': {
      const [condition_, then, otherwise] = operands() as [string, unknown, unknown];
      return evaluate(condition(condition_, scope) ? then : otherwise, scope);
    }
    case 'Fn::Equals': {
      const [one, other] = texts();
      return one === other;
    }
    case 'Fn::And':
      return several(operands(), name).every((item) => truth(item, scope));
    case 'Fn::Or':
      return several(operands(), name).some((item) => truth(item, scope));
    case 'Fn::Not':
      return !truth(operands()[0], scope);
    case 'Fn::Contains': {
      const [items, item] = all();
      return list(items).map(text).includes(text(item));
    }
    case 'Fn::Join': {
      const [separator, parts] = all();
      return list(parts).map(text).join(text(separator));
    }
    case 'Fn::Split': {
      const [separator, whole] = texts() as [string, string];
      return whole.split(separator);
    }
    case 'Fn::Select': {
      const [index, items] = all();
      return list(items)[Number(index)] ?? fail(`Fn::Select: the list has no item ${String(index)}`);
    }
    case 'Fn::Sub':
      return substitute(operand, scope);
    default:
      return fail(`the function ${name} is not known`);
  }
}

function reference(name: string, scope: Scope): unknown {
  if (name === 'AWS::NoValue') return NO_VALUE;
  return scope.ref(name) ?? fail(`there is nothing of the name ${name} to refer to`);
}

function condition(name: string, scope: Scope): boolean {
  if (scope.conditions === undefined || !Object.hasOwn(scope.conditions, name)) {
    return fail(`there is no condition ${name}`);
  }
  return truth(scope.conditions[name], scope);
}

function truth(value: unknown, scope: Scope): boolean {
  const result = evaluate(value, scope);
  return typeof result === 'boolean' ? result : fail(`${JSON.stringify(value)} is no condition`);
}

/** CloudFormation's limits of `Fn::And` and `Fn::Or`. */
function several(operands: readonly unknown[], name: string): readonly unknown[] {
  const isAllowed = operands.length >= 2 && operands.length <= 10;
  return isAllowed ? operands : fail(`${name} takes 2 to 10 conditions, not ${operands.length}`);
}

function text(value: unknown): string {
  const isText = ['string', 'number', 'boolean'].includes(typeof value);
  return isText ? String(value) : fail(`${JSON.stringify(value)} is no text`);
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : fail(`${JSON.stringify(value)} is no list`);
}

/** `${!Literal}` stays as `${Literal}`. */
function substitute(operand: unknown, scope: Scope): string {
  const [template, variables = {}] = Array.isArray(operand) ? operand : [operand];
  return text(template).replaceAll(/\$\{([^}]*)\}/g, (_match, inner: string) => {
    const name = inner.trim();
    if (name.startsWith('!')) return `\${${name.slice(1)}}`;
    if (Object.hasOwn(variables, name)) return text(evaluate(variables[name], scope));
    const [logicalId = '', ...attribute] = name.split('.');
    const isAttribute = attribute.length > 0;
    return text(
      isAttribute ? call('Fn::GetAtt', [logicalId, attribute.join('.')], scope) : reference(name, scope),
    );
  });
}

function fail(problem: string): never {
  throw new KvsInferenceError('TEMPLATE', problem);
}

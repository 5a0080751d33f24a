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
  if (entries.length === 1 && name !== undefined && isFunction(name)) return call(name, operand, scope);
  return Object.fromEntries(
    entries
      .map(([key, item]) => [key, evaluate(item, scope)] as const)
      .filter(([, item]) => item !== NO_VALUE),
  );
}

function isFunction(name: string): boolean {
  return name === 'Ref' || name === 'Condition' || name.startsWith('Fn::');
}

function call(name: string, operand: unknown, scope: Scope): unknown {
  const operands = () => (Array.isArray(operand) ? operand : [operand]);
  const all = () => operands().map((item) => evaluate(item, scope));
  const truths = () => operands().map((item) => evaluate(item, scope) === true);
  switch (name) {
    case 'Ref':
      return reference(String(operand), scope);
    case 'Condition':
      return condition(String(operand), scope);
    case 'Fn::GetAtt': {
      const [logicalId, attribute] = all().map(String) as [string, string];
      return scope.getAtt?.(logicalId, attribute) ?? fail(`nothing is known of ${logicalId}.${attribute}`);
    }
    case 'Fn::If': {
      const [condition_, then, otherwise] = operands() as [string, unknown, unknown];
      return evaluate(condition(condition_, scope) ? then : otherwise, scope);
    }
    case 'Fn::Equals': {
      const [one, other] = all();
      return String(one) === String(other);
    }
    case 'Fn::And':
      return truths().every(Boolean);
    case 'Fn::Or':
      return truths().some(Boolean);
    case 'Fn::Not':
      return !truths()[0];
    case 'Fn::Contains': {
      const [list, item] = all() as [unknown[], unknown];
      return list.map(String).includes(String(item));
    }
    case 'Fn::Join': {
      const [separator, parts] = all() as [string, unknown[]];
      return parts.map(String).join(separator);
    }
    case 'Fn::Split': {
      const [separator, text] = all() as [string, unknown];
      return String(text).split(separator);
    }
    case 'Fn::Select': {
      const [index, list] = all() as [unknown, unknown[]];
      return list[Number(index)] ?? fail(`Fn::Select: the list has no item ${String(index)}`);
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
  return evaluate(scope.conditions[name], scope) === true;
}

/** `${!Literal}` stays as `${Literal}`. */
function substitute(operand: unknown, scope: Scope): string {
  const [text, variables = {}] = Array.isArray(operand) ? operand : [operand];
  return String(text).replaceAll(/\$\{([^}]*)\}/g, (_match, inner: string) => {
    const name = inner.trim();
    if (name.startsWith('!')) return `\${${name.slice(1)}}`;
    if (Object.hasOwn(variables, name)) return String(evaluate(variables[name], scope));
    const [logicalId = '', ...attribute] = name.split('.');
    const isAttribute = attribute.length > 0;
    return String(
      isAttribute ? call('Fn::GetAtt', [logicalId, attribute.join('.')], scope) : reference(name, scope),
    );
  });
}

function fail(problem: string): never {
  throw new KvsInferenceError('TEMPLATE', problem);
}

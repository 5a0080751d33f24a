import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { type Item, invalid, storedValue, typeOf, UnsupportedError } from './attribute-values.ts';
import { type Assignment, type Condition, Parser } from './expression-parser.ts';
import {
  boundValue,
  type Context,
  type ExpressionInput,
  missingAttribute,
  type Path,
  resolved,
} from './expression-values.ts';

interface Parsed<T> {
  readonly parsed: T;
  /** The names and values that it uses. */
  readonly placeholders: ReadonlySet<string>;
}

/** The few expressions that there are come again and again. */
const conditions = new Map<string, Parsed<Condition>>();
const updates = new Map<string, Parsed<readonly Assignment[]>>();

export interface Expressions {
  readonly isMet: (item: Item) => boolean;
  /** @throws {ServiceError} ValidationException where the update does not fit the item */
  readonly update: (item: Item) => Item;
}

/**
 * What the expressions of one request say.
 *
 * @throws {ServiceError} ValidationException if a name or a value is missing or not used
 * @throws {UnsupportedError} if they are not of the parser's grammar
 */
export function expressions(
  input: ExpressionInput & { readonly ConditionExpression?: string; readonly UpdateExpression?: string },
): Expressions {
  const { ConditionExpression, UpdateExpression } = input;
  const used: ReadonlySet<string>[] = [];
  let condition: Condition = () => true;
  let assignments: readonly Assignment[] = [];
  if (ConditionExpression !== undefined) {
    const { parsed, placeholders } = parse(conditions, ConditionExpression, (parser) => parser.condition());
    condition = parsed;
    used.push(placeholders);
  }
  if (UpdateExpression !== undefined) {
    const { parsed, placeholders } = parse(updates, UpdateExpression, (parser) => parser.update());
    assignments = parsed;
    used.push(placeholders);
  }
  checkPlaceholders(input, used);
  checkOverlaps(assignments, input);
  return {
    isMet: (item) => condition({ ...input, item }),
    update: (item) => assign(assignments, { ...input, item }),
  };
}

/** The value that a key condition `name = :value` asks for. */
export function keyOf(name: string, expression: string, input: ExpressionInput): AttributeValue {
  const match = /^\s*(#?\w+)\s*=\s*(:\w+)\s*$/.exec(expression);
  const [, path = '', value = ''] = match ?? [];
  if (match === null) throw new UnsupportedError(`key condition ${expression}`);
  checkPlaceholders(input, [new Set([value, ...(path.startsWith('#') ? [path] : [])])]);
  if (resolved(path, input) !== name) throw invalid(`Query condition missed key schema element: ${name}`);
  return boundValue(value, input);
}

function parse<T>(known: Map<string, Parsed<T>>, expression: string, read: (parser: Parser) => T): Parsed<T> {
  let result = known.get(expression);
  if (result === undefined) {
    const parser = new Parser(expression);
    const parsed = read(parser);
    parser.end();
    result = { parsed, placeholders: parser.placeholders };
    known.set(expression, result);
  }
  return result;
}

function assign(assignments: readonly Assignment[], context: Context): Item {
  const values = assignments.map(({ value }) => {
    if (value === null) return null;
    const result = value(context);
    if (result === undefined) throw missingAttribute();
    return storedValue(result);
  });
  const item = { ...context.item };
  assignments.forEach(({ path }, index) => {
    write(
      item,
      path.map((name) => resolved(name, context)),
      values[index] ?? null,
    );
  });
  return Object.freeze(item);
}

/** Changes the item, but none of the maps in it: they are replaced. */
function write(item: Record<string, AttributeValue>, path: Path, value: AttributeValue | null): void {
  const [name = '', ...rest] = path;
  if (rest.length > 0) {
    const before = item[name]?.M;
    if (before === undefined) throw invalid('The document path in the update expression is invalid');
    const M = { ...before };
    write(M, rest, value);
    item[name] = Object.freeze({ M: Object.freeze(M) });
  } else if (value === null) delete item[name];
  else item[name] = value;
}

function checkPlaceholders(input: ExpressionInput, used: readonly ReadonlySet<string>[]): void {
  const { ExpressionAttributeNames = {}, ExpressionAttributeValues = {} } = input;
  for (const name of [...Object.keys(ExpressionAttributeNames), ...Object.keys(ExpressionAttributeValues)]) {
    if (!used.some((placeholders) => placeholders.has(name))) {
      throw invalid(`Value unused in expressions: ${name}`);
    }
  }
  for (const placeholders of used) {
    for (const name of placeholders) {
      if (name.startsWith('#')) resolved(name, input);
      else typeOf(boundValue(name, input));
    }
  }
}

/** No path may be another one, or lead through it. */
function checkOverlaps(assignments: readonly Assignment[], input: ExpressionInput): void {
  const paths = assignments.map(({ path }) => path.map((name) => resolved(name, input)));
  paths.forEach((path, index) => {
    for (const other of paths.slice(index + 1)) {
      const length = Math.min(path.length, other.length);
      if (path.slice(0, length).every((name, depth) => name === other[depth])) {
        throw invalid(
          'Two document paths overlap with each other; must remove or rewrite one of these paths',
        );
      }
    }
  });
}

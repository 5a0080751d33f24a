import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import {
  type Item,
  invalid,
  numberOf,
  type ServiceError,
  typeOf,
  UnsupportedError,
} from './attribute-values.ts';

export interface ExpressionInput {
  readonly ExpressionAttributeNames?: Readonly<Record<string, string>>;
  readonly ExpressionAttributeValues?: Item;
}

/** What an expression is about, and what its names and values stand for. */
export interface Context extends ExpressionInput {
  readonly item: Item;
}

/** Names of attributes, or what stands for them: of one, of one in the map that it is, and so on. */
export type Path = readonly string[];

type Compare = (left: AttributeValue | undefined, right: AttributeValue | undefined) => boolean;

/** What is missing, or of another type, is unequal, and neither before nor after. */
export const COMPARATORS: Readonly<Record<string, Compare>> = {
  '=': isEqual,
  '<>': (left, right) => !isEqual(left, right),
  '<': (left, right) => order(left, right) < 0,
  '<=': (left, right) => order(left, right) <= 0,
  '>': (left, right) => order(left, right) > 0,
  '>=': (left, right) => order(left, right) >= 0,
};

function isEqual(left: AttributeValue | undefined, right: AttributeValue | undefined): boolean {
  if (left === undefined || right === undefined) return false;
  const type = typeOf(left);
  if (type !== typeOf(right)) return false;
  if (type === 'N') return numberOf(left) === numberOf(right);
  if (type === 'S' || type === 'BOOL' || type === 'NULL') return left[type] === right[type];
  throw new UnsupportedError(`comparison of values of the type ${type}`);
}

/** NaN where there is none. */
function order(left: AttributeValue | undefined, right: AttributeValue | undefined): number {
  if (left === undefined || right === undefined) return Number.NaN;
  const type = typeOf(right);
  if (typeOf(left) !== type) return Number.NaN;
  if (type === 'N') return numberOf(left) - numberOf(right);
  if (type === 'S') return Buffer.compare(Buffer.from(left.S ?? ''), Buffer.from(right.S ?? ''));
  throw new UnsupportedError(`order of values of the type ${type}`);
}

export function summand(value: AttributeValue | undefined): number {
  if (value === undefined) throw missingAttribute();
  if (value.N === undefined) throw invalid('An operand in the update expression has an incorrect data type');
  return numberOf(value);
}

/** What is there; undefined if nothing is. */
export function read(path: Path, context: Context): AttributeValue | undefined {
  let value: AttributeValue | undefined;
  let attributes: Item | undefined = context.item;
  for (const name of path) {
    value = attributes?.[resolved(name, context)];
    attributes = value?.M;
  }
  return value;
}

export function resolved(name: string, { ExpressionAttributeNames = {} }: ExpressionInput): string {
  if (!name.startsWith('#')) return name;
  const attribute = ExpressionAttributeNames[name];
  if (attribute === undefined) throw invalid(`An expression attribute name is not defined: ${name}`);
  return attribute;
}

export function boundValue(
  name: string,
  { ExpressionAttributeValues = {} }: ExpressionInput,
): AttributeValue {
  const value = ExpressionAttributeValues[name];
  if (value === undefined) throw invalid(`An expression attribute value is not defined: ${name}`);
  return value;
}

export function missingAttribute(): ServiceError {
  return invalid('The provided expression refers to an attribute that does not exist in the item');
}

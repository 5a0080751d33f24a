import type { AttributeValue } from '@aws-sdk/client-dynamodb';

/** Never changed once made: who has one may keep it. */
export type Item = Readonly<Record<string, AttributeValue>>;

/** An error as the SDK throws those of the service. */
export class ServiceError extends Error {
  override readonly name: string;
  readonly $fault: 'client' | 'server';
  readonly $metadata: { readonly httpStatusCode: number };

  constructor(name: string, message: string, httpStatusCode = 400) {
    super(message);
    this.name = name;
    this.$fault = httpStatusCode < 500 ? 'client' : 'server';
    this.$metadata = { httpStatusCode };
  }
}

/** The request is one that the service refuses too. */
export function invalid(message: string): ServiceError {
  return new ServiceError('ValidationException', message);
}

/** The request is one that this model does not know: it ends the simulation, and is no answer to it. */
export class UnsupportedError extends Error {
  override readonly name = 'UnsupportedError';
}

/** A copy that cannot be changed, without what is undefined, as if it had gone over the wire. */
export function frozenCopy<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return Object.freeze(value.map(frozenCopy)) as T;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const inner = (value as Record<string, unknown>)[key];
    if (inner !== undefined) copy[key] = frozenCopy(inner);
  }
  return Object.freeze(copy) as T;
}

/** The item as the service keeps it. */
export function stored(item: Item): Item {
  return Object.freeze(
    Object.fromEntries(Object.entries(item).map(([name, value]) => [name, storedValue(value)])),
  );
}

/** The value as the service keeps it: a number without what says nothing. */
export function storedValue(value: AttributeValue): AttributeValue {
  const names = Object.keys(value);
  if (names.length !== 1) throw new UnsupportedError(`attribute value of ${names.length} types`);
  switch (typeOf(value)) {
    case 'N': {
      const text = String(numberOf(value));
      return text === value.N ? value : Object.freeze({ N: text });
    }
    case 'M':
      return Object.freeze({ M: stored(value.M ?? {}) as Record<string, AttributeValue> });
    case 'L':
      return Object.freeze({ L: Object.freeze((value.L ?? []).map(storedValue)) as AttributeValue[] });
    case 'SS': {
      const texts = value.SS ?? [];
      if (texts.length === 0) throw invalid('A string set may not be empty');
      if (new Set(texts).size < texts.length) throw invalid('Input collection contains duplicates');
      return value;
    }
    default:
      return value;
  }
}

type AttributeType = 'S' | 'N' | 'BOOL' | 'NULL' | 'M' | 'L' | 'SS';

export function typeOf(value: AttributeValue): AttributeType {
  if (value.S !== undefined) return 'S';
  if (value.N !== undefined) return 'N';
  if (value.BOOL !== undefined) return 'BOOL';
  if (value.M !== undefined) return 'M';
  if (value.NULL !== undefined) return 'NULL';
  if (value.L !== undefined) return 'L';
  if (value.SS !== undefined) return 'SS';
  throw new UnsupportedError(`attribute value of the type ${Object.keys(value)[0] ?? '(none)'}`);
}

/** By far most of them. */
const PLAIN_NUMBER = /^\d{1,15}$/;

/** The service has 38 digits; this model what a double holds. */
export function numberOf({ N = '' }: AttributeValue): number {
  if (PLAIN_NUMBER.test(N)) return Number(N);
  if (!/^-?\d+(\.\d+)?$/.test(N)) throw invalid(`The parameter cannot be converted to a numeric value: ${N}`);
  if (N.replace(/\D/g, '').length > 15) throw new UnsupportedError(`number ${N} of more than 15 digits`);
  return Number(N);
}

/** Bytes by the service's rules (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html). */
export function sizeOf(item: Item): number {
  let bytes = 0;
  for (const name of Object.keys(item)) {
    bytes += Buffer.byteLength(name) + valueSize(item[name] as AttributeValue);
  }
  return bytes;
}

function valueSize(value: AttributeValue): number {
  switch (typeOf(value)) {
    case 'S':
      return Buffer.byteLength(value.S ?? '');
    case 'N':
      return Math.ceil((value.N ?? '').replace(/\D/g, '').length / 2) + 1;
    case 'BOOL':
    case 'NULL':
      return 1;
    case 'SS':
      return (value.SS ?? []).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    case 'L':
      return (value.L ?? []).reduce((sum, inner) => sum + 1 + valueSize(inner), 3);
    case 'M':
      return 3 + Object.keys(value.M ?? {}).length + sizeOf(value.M ?? {});
  }
}

/** Whether two values that are stored are the same in all. */
export function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  return names.every((name) =>
    isSame((one as Record<string, unknown>)[name], (other as Record<string, unknown>)[name]),
  );
}

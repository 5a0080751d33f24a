import type {
  AttributeValue,
  CreateTableCommandInput,
  GlobalSecondaryIndex,
  KeySchemaElement,
} from '@aws-sdk/client-dynamodb';
import { type Item, invalid, isSame, sizeOf, UnsupportedError } from './attribute-values.ts';

interface Row {
  readonly key: string;
  readonly item: Item;
  readonly bytes: number;
}

export interface Page {
  readonly items: readonly Item[];
  /** Key of the last item, if there may be more. */
  readonly lastKey: Item | null;
  readonly bytes: number;
}

/** The service ends a page after this many bytes. */
const MAX_PAGE_BYTES = 1024 * 1024;
const WRITE_UNIT_BYTES = 1024;

/** A table with a hash key that is text, and indexes with one; each index follows the table after a while. */
export class Table {
  readonly input: CreateTableCommandInput;
  readonly keyName: string;
  readonly #rows = new Map<string, Row>();
  readonly #indexes: readonly Index[];
  /** All keys in the order in which they are read; null when it has to be made anew. */
  #order: readonly string[] | null = null;

  /**
   * @param input as it was created
   * @param follow called for each change of an index that is to come, with the item's key; what it is handed is to be
   *   called later, for each key in the same order
   */
  constructor(input: CreateTableCommandInput, follow: (key: string, change: () => void) => void) {
    this.input = input;
    this.keyName = hashKey(input.KeySchema);
    this.#indexes = (input.GlobalSecondaryIndexes ?? []).map(
      (index) => new Index(index, this.keyName, follow),
    );
  }

  get items(): Item[] {
    return this.#inOrder().map(({ item }) => item);
  }

  /** @throws {ServiceError} ValidationException unless it is this table's key, and nothing else */
  keyOf(key: Item): string {
    if (Object.keys(key).length !== 1) throw invalid('The provided key element does not match the schema');
    return keyText(key, this.keyName);
  }

  get(key: string): Item | null {
    return this.#rows.get(key)?.item ?? null;
  }

  /** @returns write request units of a write that is refused by its condition */
  unitsOf(key: string): number {
    return writeUnits(this.#rows.get(key)?.bytes ?? 0);
  }

  /**
   * @returns write request units: of the larger one of the item before and after, and of each change of an index
   * @throws {ServiceError} ValidationException if an attribute that is a key of an index is no text
   */
  put(item: Item): number {
    const key = keyText(item, this.keyName);
    for (const { hashName } of this.#indexes) if (item[hashName] !== undefined) keyText(item, hashName);
    const before = this.#rows.get(key);
    const row: Row = { key, item, bytes: sizeOf(item) };
    this.#rows.set(key, row);
    if (before === undefined) this.#order = null;
    return (
      writeUnits(Math.max(row.bytes, before?.bytes ?? 0)) + this.#follow(key, before?.item ?? null, item)
    );
  }

  /** @returns write request units */
  delete(key: string): number {
    const before = this.#rows.get(key);
    if (before === undefined) return writeUnits(0);
    this.#rows.delete(key);
    this.#order = null;
    return writeUnits(before.bytes) + this.#follow(key, before.item, null);
  }

  scan(after: Item | null, limit: number): Page {
    const rows = this.#inOrder();
    const from = after === null ? 0 : firstAfter(rows, this.keyOf(after));
    return page(rows, from, limit, ({ item }) => pickAttributes(item, [this.keyName]));
  }

  /** @throws {ServiceError} ValidationException */
  index(indexName: string): Index {
    const index = this.#indexes.find(({ name }) => name === indexName);
    if (index === undefined) throw invalid(`The table does not have the specified index: ${indexName}`);
    return index;
  }

  #follow(key: string, before: Item | null, after: Item | null): number {
    return this.#indexes.reduce((units, index) => units + index.follow(key, before, after), 0);
  }

  /** Any order that stays will do. */
  #inOrder(): Row[] {
    this.#order ??= [...this.#rows.keys()].sort();
    return this.#order.map((key) => this.#rows.get(key) as Row);
  }
}

class Index {
  readonly name: string;
  readonly hashName: string;
  readonly #keyName: string;
  /** Null for all. */
  readonly #attributes: readonly string[] | null;
  readonly #follow: (key: string, change: () => void) => void;
  /** What the index says, which is not yet what the table says. */
  readonly #rows = new Map<string, Map<string, Row>>();

  constructor(
    { IndexName = '', KeySchema, Projection = {} }: GlobalSecondaryIndex,
    keyName: string,
    follow: (key: string, change: () => void) => void,
  ) {
    this.name = IndexName;
    this.hashName = hashKey(KeySchema);
    this.#keyName = keyName;
    this.#follow = follow;
    const { ProjectionType, NonKeyAttributes = [] } = Projection;
    this.#attributes =
      ProjectionType === 'ALL' ? null : [...new Set([keyName, this.hashName, ...NonKeyAttributes])];
  }

  query(value: AttributeValue, after: Item | null, limit: number): Page {
    const hash = keyText({ [this.hashName]: value }, this.hashName);
    if (after !== null && Object.keys(after).length !== 2)
      throw invalid('The provided starting key is invalid');
    const rows = [...(this.#rows.get(hash)?.values() ?? [])].sort(byKey);
    const from = after === null ? 0 : firstAfter(rows, keyText(after, this.#keyName));
    return page(rows, from, limit, ({ item }) => pickAttributes(item, [this.#keyName, this.hashName]));
  }

  /** @returns write request units: two where the item moves in the index, none where it stays as it is */
  follow(key: string, before: Item | null, after: Item | null): number {
    const from = this.#project(key, before);
    const to = this.#project(key, after);
    if (isSame(from?.item, to?.item)) return 0;
    const [fromHash, toHash] = [this.#hashOf(from), this.#hashOf(to)];
    this.#follow(key, () => {
      if (fromHash !== null && fromHash !== toHash) this.#rows.get(fromHash)?.delete(key);
      if (to !== null && toHash !== null) {
        let rows = this.#rows.get(toHash);
        if (rows === undefined) {
          rows = new Map();
          this.#rows.set(toHash, rows);
        }
        rows.set(key, to);
      }
    });
    if (fromHash === toHash) return writeUnits(Math.max(from?.bytes ?? 0, to?.bytes ?? 0));
    return [from, to].reduce((units, row) => units + (row === null ? 0 : writeUnits(row.bytes)), 0);
  }

  /** What the index has of an item; null where the item is none, or lacks the index's key. */
  #project(key: string, item: Item | null): Row | null {
    if (item?.[this.hashName] === undefined) return null;
    const projected = this.#attributes === null ? item : pickAttributes(item, this.#attributes);
    return { key, item: projected, bytes: sizeOf(projected) };
  }

  #hashOf(row: Row | null): string | null {
    return row === null ? null : keyText(row.item, this.hashName);
  }
}

function page(rows: readonly Row[], from: number, limit: number, keyOf: (row: Row) => Item): Page {
  const items: Item[] = [];
  let bytes = 0;
  let index = from;
  for (; index < rows.length && items.length < limit && bytes < MAX_PAGE_BYTES; index += 1) {
    const row = rows[index] as Row;
    items.push(row.item);
    bytes += row.bytes;
  }
  // As the service does: a page that is full says that there may be more, also where there is not.
  const last = rows[index - 1];
  const isFull = items.length >= limit || bytes >= MAX_PAGE_BYTES;
  return { items, lastKey: isFull && last !== undefined ? keyOf(last) : null, bytes };
}

function firstAfter(rows: readonly Row[], key: string): number {
  const index = rows.findIndex((row) => row.key > key);
  return index === -1 ? rows.length : index;
}

function byKey(one: Row, other: Row): number {
  return one.key < other.key ? -1 : 1;
}

function pickAttributes(item: Item, names: readonly string[]): Item {
  const picked: Record<string, AttributeValue> = {};
  for (const name of names) {
    const value = item[name];
    if (value !== undefined) picked[name] = value;
  }
  return Object.freeze(picked);
}

function keyText(item: Item, name: string): string {
  const text = item[name]?.S;
  if (text === undefined) throw invalid(`The provided key element does not match the schema: ${name}`);
  if (text === '') throw invalid(`The AttributeValue for a key attribute cannot be empty: ${name}`);
  return text;
}

function hashKey(schema: readonly KeySchemaElement[] = []): string {
  const [key, ...rest] = schema;
  if (key?.AttributeName === undefined || key.KeyType !== 'HASH' || rest.length > 0) {
    throw new UnsupportedError('a key that is not one HASH attribute');
  }
  return key.AttributeName;
}

function writeUnits(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / WRITE_UNIT_BYTES));
}

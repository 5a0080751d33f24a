import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb';
import { type Item, invalid, ServiceError, sizeOf, stored, UnsupportedError } from './attribute-values.ts';
import type { ExpressionInput } from './expression-values.ts';
import { expressions, keyOf } from './expressions.ts';
import { Table } from './table.ts';
import type { VirtualTime } from './time.ts';

export interface OperationsOptions {
  time: Pick<VirtualTime, 'now' | 'after'>;
  /** How long an index lags behind a write, true milliseconds, asked for each; never changes the order of one item's. */
  indexDelayMillis: () => number;
  /** How long a table is being created, true milliseconds. */
  createTableMillis: number;
  /** Called with every change that lands. */
  onWrite: (write: Write) => void;
}

/** A change of an item; null where there is none before or after. */
export interface Write {
  readonly machineId: string;
  readonly tableName: string;
  readonly key: string;
  readonly before: Item | null;
  readonly after: Item | null;
}

export interface Call {
  readonly machineId: string;
  readonly operation: string;
  /** Is kept: must not change any more. */
  readonly input: object;
  /** Looks up only the first half of the keys of a BatchGetItem. */
  readonly isHalfProcessed: boolean;
}

/** On-demand units, as https://aws.amazon.com/dynamodb/pricing/on-demand/ counts them. */
export interface Units {
  readRequestUnits: number;
  writeRequestUnits: number;
}

interface Input extends ExpressionInput {
  readonly TableName?: string;
  readonly IndexName?: string;
  readonly Key?: Item;
  readonly Item?: Item;
  readonly ConsistentRead?: boolean;
  readonly ConditionExpression?: string;
  readonly UpdateExpression?: string;
  readonly KeyConditionExpression?: string;
  readonly ExclusiveStartKey?: Item;
  readonly Limit?: number;
  readonly ReturnValues?: string;
  readonly RequestItems?: Readonly<Record<string, BatchRequest>>;
}

interface BatchRequest {
  readonly Keys: readonly Item[];
  readonly ConsistentRead?: boolean;
}

const EXPRESSION = ['ExpressionAttributeNames', 'ExpressionAttributeValues'];
const CONDITION = ['TableName', 'ReturnValues', 'ConditionExpression', ...EXPRESSION];
const PAGE = ['TableName', 'ExclusiveStartKey', 'Limit', 'ConsistentRead'];

/** What each operation may be given. */
const INPUT: Readonly<Record<string, readonly string[]>> = {
  CreateTable: ['TableName', 'KeySchema', 'AttributeDefinitions', 'GlobalSecondaryIndexes', 'BillingMode'],
  DescribeTable: ['TableName'],
  GetItem: ['TableName', 'Key', 'ConsistentRead'],
  BatchGetItem: ['RequestItems'],
  Query: [...PAGE, 'IndexName', 'KeyConditionExpression', ...EXPRESSION],
  Scan: PAGE,
  PutItem: [...CONDITION, 'Item'],
  UpdateItem: [...CONDITION, 'Key', 'UpdateExpression'],
  DeleteItem: [...CONDITION, 'Key'],
};

const READ_UNIT_BYTES = 4096;
const MAX_BATCH_KEYS = 100;

/**
 * What DynamoDB's operations do, at one instant
 * (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB.html). Reads of tables
 * are all consistent; those of indexes see what has got there.
 */
export class Operations {
  readonly #options: OperationsOptions;
  readonly #tables = new Map<string, { readonly table: Table; readonly activeAt: number }>();
  /** When the last change of an item reaches the indexes. */
  readonly #followedAt = new Map<string, number>();

  constructor(options: OperationsOptions) {
    this.#options = options;
  }

  /** The table as it is, also if it is still being created; null if there is none. */
  tableOf(name: string): Table | null {
    return this.#tables.get(name)?.table ?? null;
  }

  /**
   * @param units what the call consumes is added
   * @returns the operation's output
   * @throws {ServiceError} as the service answers
   * @throws {UnsupportedError} if it is asked for what it does not know
   */
  perform(call: Call, units: Units): object {
    const { operation } = call;
    const input = call.input as Input;
    const known = INPUT[operation];
    if (known === undefined) throw new UnsupportedError(`operation ${operation}`);
    for (const name of Object.keys(input)) {
      if (!known.includes(name)) throw new UnsupportedError(`${name} of ${operation}`);
    }
    switch (operation) {
      case 'CreateTable':
        return this.#createTable(input as CreateTableCommandInput);
      case 'DescribeTable':
        return { Table: this.#describe(input.TableName ?? '') };
      case 'GetItem':
        return this.#getItem(input, units);
      case 'BatchGetItem':
        return this.#batchGetItem(input, units, call.isHalfProcessed);
      case 'Query':
        return this.#query(input, units);
      case 'Scan':
        return this.#scan(input, units);
      default:
        return this.#write(call, input, units);
    }
  }

  #createTable(input: CreateTableCommandInput): object {
    const name = input.TableName ?? '';
    if (this.#tables.has(name)) throw new ServiceError('ResourceInUseException', `Table exists: ${name}`);
    const { time, createTableMillis } = this.#options;
    const table = new Table(input, (key, change) => this.#follow(`${name}/${key}`, change));
    this.#tables.set(name, { table, activeAt: time.now + createTableMillis });
    return { TableDescription: { ...this.#describe(name), TableStatus: 'CREATING' } };
  }

  #describe(name: string): object {
    const { table, activeAt } = this.#tables.get(name) ?? notFound(name);
    const { TableName, KeySchema, AttributeDefinitions, GlobalSecondaryIndexes } = table.input;
    const status = this.#options.time.now < activeAt ? 'CREATING' : 'ACTIVE';
    const description = { TableName, KeySchema, AttributeDefinitions, TableStatus: status };
    if (GlobalSecondaryIndexes === undefined) return description;
    const indexes = GlobalSecondaryIndexes.map((index) => ({ ...index, IndexStatus: status }));
    return { ...description, GlobalSecondaryIndexes: indexes };
  }

  #getItem({ TableName, Key = {}, ConsistentRead }: Input, units: Units): object {
    const table = this.#table(TableName);
    const item = table.get(table.keyOf(Key));
    units.readRequestUnits += readUnits(item === null ? 0 : sizeOf(item), ConsistentRead);
    return item === null ? {} : { Item: item };
  }

  #batchGetItem({ RequestItems = {} }: Input, units: Units, isHalfProcessed: boolean): object {
    const Responses: Record<string, readonly Item[]> = {};
    const UnprocessedKeys: Record<string, BatchRequest> = {};
    for (const [name, request] of Object.entries(RequestItems)) {
      const { Keys, ConsistentRead, ...rest } = request;
      if (Object.keys(rest).length > 0) throw new UnsupportedError(`${Object.keys(rest)} of BatchGetItem`);
      const table = this.#table(name);
      const keys = Keys.map((key) => table.keyOf(key));
      if (keys.length === 0 || keys.length > MAX_BATCH_KEYS) throw invalid(`${keys.length} keys`);
      if (new Set(keys).size < keys.length) throw invalid('Provided list of item keys contains duplicates');
      const count = isHalfProcessed ? Math.floor(keys.length / 2) : keys.length;
      const found = keys.slice(0, count).map((key) => table.get(key));
      for (const item of found) {
        units.readRequestUnits += readUnits(item === null ? 0 : sizeOf(item), ConsistentRead);
      }
      Responses[name] = found.filter((item) => item !== null);
      if (count < keys.length) UnprocessedKeys[name] = { ...request, Keys: Keys.slice(count) };
    }
    return { Responses, UnprocessedKeys };
  }

  #query(input: Input, units: Units): object {
    const { IndexName, KeyConditionExpression, ExclusiveStartKey = null } = input;
    const table = this.#table(input.TableName);
    if (IndexName === undefined || KeyConditionExpression === undefined) {
      throw new UnsupportedError('Query without an index or a key condition');
    }
    if (input.ConsistentRead) {
      throw invalid('Consistent reads are not supported on global secondary indexes');
    }
    const index = table.index(IndexName);
    const value = keyOf(index.hashName, KeyConditionExpression, input);
    const { items, lastKey, bytes } = index.query(
      value,
      ExclusiveStartKey,
      input.Limit ?? Number.POSITIVE_INFINITY,
    );
    units.readRequestUnits += readUnits(bytes, false);
    return pageOutput(items, lastKey);
  }

  #scan(input: Input, units: Units): object {
    const { TableName, ExclusiveStartKey = null, Limit = Number.POSITIVE_INFINITY } = input;
    const { items, lastKey, bytes } = this.#table(TableName).scan(ExclusiveStartKey, Limit);
    units.readRequestUnits += readUnits(bytes, input.ConsistentRead);
    return pageOutput(items, lastKey);
  }

  #write({ machineId, operation }: Call, input: Input, units: Units): object {
    const { TableName: tableName = '', ReturnValues = 'NONE' } = input;
    const table = this.#table(tableName);
    const { isMet, update } = expressions(input);
    const key =
      operation === 'PutItem'
        ? table.keyOf({ [table.keyName]: input.Item?.[table.keyName] ?? { NULL: true } })
        : table.keyOf(input.Key ?? {});
    const before = table.get(key);
    if (!isMet(before ?? {})) {
      units.writeRequestUnits += table.unitsOf(key);
      throw new ServiceError('ConditionalCheckFailedException', 'The conditional request failed');
    }
    let after: Item | null = null;
    if (operation === 'PutItem') after = stored(input.Item ?? {});
    if (operation === 'UpdateItem') after = update(before ?? input.Key ?? {});
    if (after !== null && after[table.keyName]?.S !== key) {
      throw invalid(`Cannot update attribute ${table.keyName}. This attribute is part of the key`);
    }
    units.writeRequestUnits += after === null ? table.delete(key) : table.put(after);
    if (before !== null || after !== null) {
      this.#options.onWrite({ machineId, tableName, key, before, after });
    }
    return attributesOutput(ReturnValues, before, operation === 'UpdateItem' ? after : null);
  }

  /** @throws {ServiceError} ResourceNotFoundException */
  #table(name = ''): Table {
    const { table, activeAt } = this.#tables.get(name) ?? notFound(name);
    return this.#options.time.now < activeAt ? notFound(name) : table;
  }

  #follow(path: string, change: () => void): void {
    const { time, indexDelayMillis } = this.#options;
    const before = this.#followedAt.get(path) ?? Number.NEGATIVE_INFINITY;
    const at = Math.max(time.now + indexDelayMillis(), before);
    if (at === time.now && before < at) {
      change();
      return;
    }
    this.#followedAt.set(path, at);
    time.after(at - time.now, change);
  }
}

function pageOutput(Items: readonly Item[], lastKey: Item | null): object {
  const output = { Items, Count: Items.length, ScannedCount: Items.length };
  return lastKey === null ? output : { ...output, LastEvaluatedKey: lastKey };
}

function attributesOutput(returnValues: string, before: Item | null, after: Item | null): object {
  switch (returnValues) {
    case 'NONE':
      return {};
    case 'ALL_OLD':
      return before === null ? {} : { Attributes: before };
    case 'ALL_NEW':
      if (after === null) throw invalid('Return values set to invalid value');
      return { Attributes: after };
    default:
      throw new UnsupportedError(`ReturnValues ${returnValues}`);
  }
}

function readUnits(bytes: number, isConsistent = false): number {
  return Math.max(1, Math.ceil(bytes / READ_UNIT_BYTES)) * (isConsistent ? 1 : 0.5);
}

function notFound(name: string): never {
  throw new ServiceError('ResourceNotFoundException', `Requested resource not found: Table: ${name}`);
}

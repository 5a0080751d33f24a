import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { UnsupportedError } from './attribute-values.ts';
import { boundValue, COMPARATORS, type Context, type Path, read, summand } from './expression-values.ts';

/*
 * DynamoDB's expressions as far as they are needed
 * (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html):
 *
 *   condition  = and *("OR" and)
 *   and        = not *("AND" not)
 *   not        = ["NOT"] primary
 *   primary    = "(" condition ")" / function "(" path ")" / operand comparator operand
 *   function   = "attribute_exists" / "attribute_not_exists"
 *   comparator = "=" / "<>" / "<" / "<=" / ">" / ">="
 *   operand    = path / value
 *   path       = name *("." name)
 *   update     = *("SET" path "=" term *("," …) / "REMOVE" path *("," …))
 *   term       = source [("+" / "-") source]
 *   source     = operand / "if_not_exists" "(" path "," operand ")"
 */

type Source = (context: Context) => AttributeValue | undefined;
export type Condition = (context: Context) => boolean;

export interface Assignment {
  readonly path: Path;
  /** Null for REMOVE. */
  readonly value: Source | null;
}

const TOKEN = /\s*(?:([#:]?[A-Za-z_][A-Za-z0-9_]*)|(<>|<=|>=|[=<>(),.+-]))/y;

/** Reads one expression; what is not of the grammar throws an UnsupportedError. */
export class Parser {
  readonly placeholders = new Set<string>();
  readonly #expression: string;
  readonly #tokens: string[] = [];
  #next = 0;

  constructor(expression: string) {
    this.#expression = expression;
    TOKEN.lastIndex = 0;
    for (let end = 0; expression.slice(end).trim() !== ''; end = TOKEN.lastIndex) {
      const [, word, sign] = TOKEN.exec(expression) ?? this.#fail(expression.slice(end));
      this.#tokens.push(word ?? sign ?? '');
    }
  }

  condition(): Condition {
    const terms = [this.#and()];
    while (this.#skip('OR')) terms.push(this.#and());
    return (context) => terms.some((term) => term(context));
  }

  update(): Assignment[] {
    const assignments: Assignment[] = [];
    const sections = new Set<string>();
    do {
      const section = this.#take().toUpperCase();
      if (sections.has(section)) this.#fail(`second ${section}`);
      sections.add(section);
      do {
        if (section === 'SET') assignments.push(this.#assignment());
        else if (section === 'REMOVE') assignments.push({ path: this.#path(), value: null });
        else this.#fail(section);
      } while (this.#skip(','));
    } while (this.#next < this.#tokens.length);
    return assignments;
  }

  end(): void {
    if (this.#next < this.#tokens.length) this.#fail(this.#take());
  }

  #and(): Condition {
    const terms = [this.#not()];
    while (this.#skip('AND')) terms.push(this.#not());
    return (context) => terms.every((term) => term(context));
  }

  #not(): Condition {
    if (!this.#skip('NOT')) return this.#primary();
    const term = this.#primary();
    return (context) => !term(context);
  }

  #primary(): Condition {
    if (this.#skip('(')) {
      const term = this.condition();
      this.#expect(')');
      return term;
    }
    if (this.#tokens[this.#next + 1] === '(') {
      const name = this.#take();
      if (name !== 'attribute_exists' && name !== 'attribute_not_exists') this.#fail(name);
      const path = this.#inParentheses(() => this.#path());
      const isWanted = name === 'attribute_exists';
      return (context) => (read(path, context) !== undefined) === isWanted;
    }
    const left = this.#operand();
    const comparator = this.#take();
    const right = this.#operand();
    const compare = COMPARATORS[comparator] ?? this.#fail(comparator);
    return (context) => compare(left(context), right(context));
  }

  #assignment(): Assignment {
    const path = this.#path();
    this.#expect('=');
    const first = this.#source();
    const sign = this.#skip('+') ? 1 : this.#skip('-') ? -1 : 0;
    if (sign === 0) return { path, value: first };
    const second = this.#source();
    return {
      path,
      value: (context) => ({ N: String(summand(first(context)) + sign * summand(second(context))) }),
    };
  }

  #source(): Source {
    if (this.#tokens[this.#next + 1] !== '(') return this.#operand();
    const name = this.#take();
    if (name !== 'if_not_exists') this.#fail(name);
    return this.#inParentheses(() => {
      const path = this.#path();
      this.#expect(',');
      const otherwise = this.#operand();
      return (context) => read(path, context) ?? otherwise(context);
    });
  }

  #operand(): Source {
    const token = this.#tokens[this.#next] ?? '';
    if (!token.startsWith(':')) {
      const path = this.#path();
      return (context) => read(path, context);
    }
    this.#next += 1;
    this.placeholders.add(token);
    return (context) => boundValue(token, context);
  }

  #path(): Path {
    const path: string[] = [];
    do {
      const name = this.#take();
      if (!/^[#A-Za-z_]/.test(name)) this.#fail(name);
      if (name.startsWith('#')) this.placeholders.add(name);
      path.push(name);
    } while (this.#skip('.'));
    return path;
  }

  #inParentheses<T>(read: () => T): T {
    this.#expect('(');
    const result = read();
    this.#expect(')');
    return result;
  }

  #take(): string {
    const token = this.#tokens[this.#next] ?? this.#fail('(end)');
    this.#next += 1;
    return token;
  }

  #skip(token: string): boolean {
    const isNext = this.#tokens[this.#next]?.toUpperCase() === token;
    if (isNext) this.#next += 1;
    return isNext;
  }

  #expect(token: string): void {
    if (!this.#skip(token)) this.#fail(this.#take());
  }

  #fail(what: string): never {
    throw new UnsupportedError(`"${what}" in the expression ${this.#expression}`);
  }
}

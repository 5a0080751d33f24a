import { ElementId } from '../../src/matroska/elements.ts';
import { readVint, UNKNOWN_SIZE } from '../../src/matroska/header.ts';
import type { Random } from '../support/random.ts';
import { type ElementSpan, elementSpans } from './elements.ts';

/** A way to damage Matroska. The numbers are whole, from 0 to 2^32 - 1; what they choose is taken modulo. */
export interface Mutation {
  readonly kind: MutationKind;
  /** The element that is damaged: its kind first, so that rare ones are as likely as blocks, then which of these. */
  readonly kindOfElement: number;
  readonly element: number;
  readonly value: number;
  /** Whether the masters around it get the size that is right after it, so that the damage is seen at all. */
  readonly isFitted: boolean;
}

export type MutationKind = keyof typeof MUTATIONS;

const MAX_NUMBER = 2 ** 32 - 1;
const MEBIBYTE = 2n ** 20n;
const HUGE_SIZES = [2n ** 56n - 2n, 2n ** 53n, 2n ** 53n - 1n, 2n ** 32n, 64n * MEBIBYTE + 1n, 64n * MEBIBYTE]
  .concat([MEBIBYTE + 1n, MEBIBYTE, 2n ** 31n, 65_536n])
  .map((size) => sizeField(size, 8));
const TEXTS = [
  '1e300',
  '-1',
  ' ',
  'NaN',
  '9'.repeat(300),
  '\0',
  '\uFFFF',
  '0x10',
  'AWS_KINESISVIDEO_ERROR_CODE',
].concat(['AWS_KINESISVIDEO_FRAGMENT_NUMBER', 'AWS_KINESISVIDEO_CONTINUATION_TOKEN', 'webm', 'V_VP8']);
const IDS = Object.values(ElementId).map(idField);

/** Damages `bytes` at the element, which is one of `spans`. */
type Mutate = (bytes: Buffer, span: ElementSpan, value: number, spans: readonly ElementSpan[]) => Buffer;

const MUTATIONS = {
  /** Ends the input within the element. */
  CUT: (bytes, span, value) => bytes.subarray(0, span.start + (value % (span.end - span.start + 1))),
  WRONG_SIZE: (bytes, { size, content, end }, value) => {
    const right = end - content;
    const wrong = [0, right + 1, Math.max(0, right - 1), right * 2, value % 1000, value];
    return replaced(bytes, size, content, sizeField(BigInt(pick(wrong, value)), 8));
  },
  UNKNOWN_SIZE: (bytes, { size, content }) =>
    replaced(bytes, size, content, sizeField(2n ** BigInt(7 * (content - size)) - 1n, content - size)),
  HUGE_SIZE: (bytes, { size, content }, value) => replaced(bytes, size, content, pick(HUGE_SIZES, value)),
  /** Puts a copy of the element into another one, at its start or its end. */
  NEST: (bytes, { start, end }, value, spans) => {
    const other = pick(spans, value);
    const at = value % 2 === 0 ? other.content : other.end;
    return replaced(bytes, at, at, bytes.subarray(start, end));
  },
  /** Wraps it in masters of unknown size. */
  WRAP: (bytes, { start }, value) => {
    const master = Buffer.concat([pick(IDS, value), Buffer.from([0xff])]);
    return replaced(bytes, start, start, Buffer.concat(Array<Buffer>(1 + (value % 20)).fill(master)));
  },
  REPEAT: (bytes, { start, end }, value) =>
    replaced(bytes, end, end, Buffer.concat(Array<Buffer>(1 + (value % 5)).fill(bytes.subarray(start, end)))),
  REMOVE: (bytes, { start, end }) => replaced(bytes, start, end, Buffer.alloc(0)),
  CHANGE_ID: (bytes, { start, size }, value) => replaced(bytes, start, size, pick(IDS, value)),
  /** Without its header or only its header. */
  UNWRAP: (bytes, { start, content, end }, value) =>
    value % 2 === 0
      ? replaced(bytes, start, content, Buffer.alloc(0))
      : replaced(bytes, content, end, Buffer.alloc(0)),
  FILL: (bytes, { content, end }, value) =>
    replaced(bytes, content, end, Buffer.alloc(end - content, value % 3 === 0 ? 0xff : value)),
  /** Another content, of the right size. */
  TEXT: (bytes, { size, end }, value) => {
    const text = Buffer.from(pick(TEXTS, value));
    return replaced(bytes, size, end, Buffer.concat([sizeField(BigInt(text.length), 8), text]));
  },
  /** Makes a block laced, whatever stands in it. */
  LACE: (bytes, { content, end }, value) => {
    if (end - content < 5) return bytes;
    const laced = Buffer.from(bytes);
    laced.writeUInt8(2 * (1 + (value % 3)), content + 3);
    laced.writeUInt8((value >>> 8) % 256, content + 4);
    return laced;
  },
  FLIP: (bytes, { start, end }, value) => {
    const flipped = Buffer.from(bytes);
    const at = start + ((value >>> 8) % (end - start));
    flipped.writeUInt8((flipped[at] as number) ^ (1 << (value % 8)), at);
    return flipped;
  },
  INSERT: (bytes, { start, end }, value) => {
    const at = start + ((value >>> 8) % (end - start));
    return replaced(bytes, at, at, Buffer.alloc(1 + (value % 16), value % 251));
  },
  DELETE: (bytes, { start, end }, value) => {
    const at = start + ((value >>> 8) % (end - start));
    return replaced(bytes, at, Math.min(end, at + 1 + (value % 16)), Buffer.alloc(0));
  },
} satisfies Readonly<Record<string, Mutate>>;

export const MUTATION_KINDS = Object.keys(MUTATIONS) as MutationKind[];

export function mutated(bytes: Buffer, mutations: readonly Mutation[]): Buffer {
  let result = bytes;
  for (const { kind, kindOfElement, element, value, isFitted } of mutations) {
    const spans = elementSpans(result);
    if (spans.length === 0) break;
    const id = pick([...new Set(spans.map((span) => span.id))], kindOfElement);
    const span = pick(
      spans.filter((other) => other.id === id),
      element,
    );
    const damaged = MUTATIONS[kind](result, span, value, spans);
    result = isFitted ? fitted(damaged, span, spans, damaged.length - result.length) : damaged;
  }
  return result;
}

/** With other sizes for the masters around the element, which has grown by so many bytes. */
function fitted(bytes: Buffer, element: ElementSpan, spans: readonly ElementSpan[], growth: number): Buffer {
  const result = Buffer.from(bytes);
  for (const { isMaster, start, size, content, end } of spans) {
    if (!isMaster || start >= element.start || end < element.end) continue;
    const width = content - size;
    const right = end - content + growth;
    const fits = right >= 0 && right < 2 ** (7 * width) - 1;
    if (fits && readVint(bytes, size, width) !== UNKNOWN_SIZE) {
      sizeField(BigInt(right), width).copy(result, size);
    }
  }
  return result;
}

export function randomMutation(random: Random): Mutation {
  const number = () => random.integer(0, MAX_NUMBER);
  return {
    kind: random.pick(MUTATION_KINDS),
    kindOfElement: number(),
    element: number(),
    value: number(),
    isFitted: random.chance(0.5),
  };
}

function replaced(bytes: Buffer, start: number, end: number, by: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, start), by, bytes.subarray(end)]);
}

function pick<T>(values: readonly T[], number: number): T {
  return values[number % values.length] as T;
}

function sizeField(size: bigint, bytes: number): Buffer {
  const field = Buffer.alloc(8);
  field.writeBigUInt64BE((2n ** BigInt(7 * bytes)) | size);
  return field.subarray(8 - bytes);
}

function idField(id: number): Buffer {
  return Buffer.from(id.toString(16), 'hex');
}

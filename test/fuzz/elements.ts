import { type ElementSchema, elementSchema } from '../../src/matroska/elements.ts';
import { type Header, parseHeader, UNKNOWN_SIZE } from '../../src/matroska/header.ts';

/** Where an element stands, in bytes. */
export interface ElementSpan {
  readonly id: number;
  readonly isMaster: boolean;
  readonly start: number;
  /** Where its size stands, and then its content. */
  readonly size: number;
  readonly content: number;
  end: number;
}

/** The elements of Matroska in the order of their headers, masters and what is in them; up to the first that is none. */
export function elementSpans(bytes: Buffer): ElementSpan[] {
  const spans: ElementSpan[] = [];
  const open: Array<{ span: ElementSpan; level: number | null; isUnknownSize: boolean }> = [];
  let position = 0;
  for (let header = headerAt(bytes, 0); header !== null; header = headerAt(bytes, position)) {
    const schema = elementSchema(header.id);
    for (let top = open.at(-1); top !== undefined && hasEnded(top, position, schema); top = open.at(-1)) {
      if (top.isUnknownSize) top.span.end = position;
      open.pop();
    }
    const content = position + header.length;
    const isUnknownSize = header.size === UNKNOWN_SIZE;
    const end = isUnknownSize ? bytes.length : Math.min(bytes.length, content + header.size);
    const size = position + (Math.clz32(bytes[position] as number) - 23);
    const span = { id: header.id, isMaster: schema.isMaster, start: position, size, content, end };
    spans.push(span);
    if (schema.isMaster) open.push({ span, level: schema.level, isUnknownSize });
    position = schema.isMaster ? content : end;
  }
  return spans;
}

function hasEnded(
  open: { span: ElementSpan; level: number | null; isUnknownSize: boolean },
  position: number,
  next: ElementSchema,
): boolean {
  if (!open.isUnknownSize) return position >= open.span.end;
  return next.level !== null && next.level >= 0 && open.level !== null && next.level <= open.level;
}

function headerAt(bytes: Buffer, position: number): Header | null {
  try {
    return parseHeader(bytes, position, bytes.length, position);
  } catch {
    return null;
  }
}

/** Something the model saw. The box is relative to the picture: 0 is its left or upper edge, 1 the opposite one. */
export interface Detection {
  label: string;
  confidence: number;
  box: { xmin: number; ymin: number; xmax: number; ymax: number };
}

export interface ParsedOutput {
  /** `raw`: neither of the known formats; there are no detections then. */
  kind: 'objectDetection' | 'jumpStart' | 'raw';
  /** In the endpoint's order, whatever their confidence. */
  detections: Detection[];
  /** Rows that are no detection: a missing or non-finite number, a class that is neither a name nor an index. */
  skippedRows: number;
}

export interface OutputOptions {
  /** Names of the classes, by index, for outputs that bring none of their own. */
  classNames: readonly string[];
}

/** Class, score, [xmin, ymin, xmax, ymax]: the columns both formats have. */
type Row = [unknown, unknown, unknown];

/**
 * Reads an endpoint's response body (text, bytes, or JSON already parsed). Never throws. The body itself decides,
 * not its content type: the two formats cannot be mistaken, and AWS KIT's records have no content type.
 */
export function parseOutput(output: unknown, { classNames }: OutputOptions): ParsedOutput {
  const body = asObject(output);
  if (Array.isArray(body['prediction'])) {
    return read('objectDetection', objectDetectionRows(body['prediction']), classNames);
  }
  const { normalized_boxes: boxes, classes, scores, labels } = body;
  if (Array.isArray(boxes) && Array.isArray(classes) && Array.isArray(scores)) {
    const names = Array.isArray(labels) ? labels : classNames;
    return read('jumpStart', jumpStartRows(boxes, classes, scores), names);
  }
  return { kind: 'raw', detections: [], skippedRows: 0 };
}

/** Text of a response body, or undefined when the bytes are not UTF-8. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * The built-in object detection algorithm: `{"prediction":[[class, score, xmin, ymin, xmax, ymax], …]}`.
 * https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection-in-formats.html
 */
function objectDetectionRows(prediction: unknown[]): Row[] {
  return prediction.map((row) => (Array.isArray(row) ? [row[0], row[1], row.slice(2)] : [null, null, null]));
}

/**
 * JumpStart: parallel arrays. AWS's example notebooks for its PyTorch, MXNet and TensorFlow models
 * (`jumpstart_object_detection`, `object_detection_tensorflow` in amazon-sagemaker-examples) all read a box as
 * left, top, right, bottom, so not in TensorFlow's own order with y first; and a class, though a float, as an
 * index from 0 into the response's own `labels`, whether or not the model counts from 1.
 * Without `Accept: application/json;verbose` there are no `labels`. The index still means the model's own list,
 * so the given class names must be that list.
 */
function jumpStartRows(boxes: unknown[], classes: unknown[], scores: unknown[]): Row[] {
  const length = Math.max(boxes.length, classes.length, scores.length);
  return Array.from({ length }, (_, index) => [classes[index], scores[index], boxes[index]]);
}

function read(kind: ParsedOutput['kind'], rows: Row[], names: readonly unknown[]): ParsedOutput {
  const detections = rows.flatMap(([classId, confidence, box]) => {
    const label = labelOf(classId, names);
    if (label === undefined || !isNumber(confidence) || !Array.isArray(box)) return [];
    const [xmin, ymin, xmax, ymax]: unknown[] = box;
    if (!isNumber(xmin) || !isNumber(ymin) || !isNumber(xmax) || !isNumber(ymax)) return [];
    return [{ label, confidence, box: { xmin, ymin, xmax, ymax } }];
  });
  return { kind, detections, skippedRows: rows.length - detections.length };
}

function labelOf(classId: unknown, names: readonly unknown[]): string | undefined {
  if (typeof classId === 'string') return classId;
  if (typeof classId !== 'number' || !Number.isInteger(classId) || classId < 0) return undefined;
  const name = names[classId];
  // Models fine-tuned with JumpStart can have numbers for names.
  return typeof name === 'string' || typeof name === 'number' ? String(name) : `class ${classId}`;
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

function asObject(output: unknown): Readonly<Record<string, unknown>> {
  const text = ArrayBuffer.isView(output) ? decodeText(output as Uint8Array) : output;
  const value = typeof text === 'string' ? parseJson(text) : text;
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function parseJson(text: string): unknown {
  // A model's bad numbers arrive as Python writes them; only the rows that hold them should be lost.
  for (const json of [text, text.replace(/-?\b(?:NaN|Infinity)\b/g, 'null')]) {
    try {
      return JSON.parse(json);
    } catch {}
  }
  return undefined;
}

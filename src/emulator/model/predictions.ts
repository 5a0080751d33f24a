/** `[class, score, xmin, ymin, xmax, ymax]`, coordinates 0 to 1 relative to the picture. */
export type Prediction = [
  classIndex: number,
  score: number,
  xmin: number,
  ymin: number,
  xmax: number,
  ymax: number,
];

/** Where the picture lies on the model's square input, pixels. */
export interface Placement {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The values of one row of the model's output: xmin, ymin, xmax, ymax (input pixels), score, class. */
const ROW_LENGTH = 6;
const MIN_SCORE = 0.4;
/** The built-in algorithm's default `nms_threshold`. */
const MAX_OVERLAP = 0.45;

/** Centres a picture that fits into a square of `size` pixels. */
export function place(picture: { width: number; height: number }, size: number): Placement {
  return {
    x: Math.floor((size - picture.width) / 2),
    y: Math.floor((size - picture.height) / 2),
    width: picture.width,
    height: picture.height,
  };
}

/**
 * The model's rows as the built-in object detection algorithm would answer them: those scored well enough, the
 * best of several on the same object, relative to the picture instead of the model's input. Best score first.
 *
 * @param rows the model's output, best score first
 */
export function toPredictions(rows: Float32Array, placement: Placement): Prediction[] {
  const kept: Prediction[] = [];
  for (let offset = 0; offset < rows.length; offset += ROW_LENGTH) {
    const [xmin = 0, ymin = 0, xmax = 0, ymax = 0, score = 0, classIndex = 0] = rows.subarray(offset);
    if (score < MIN_SCORE) break;
    const prediction: Prediction = [
      classIndex,
      score,
      toUnit((xmin - placement.x) / placement.width),
      toUnit((ymin - placement.y) / placement.height),
      toUnit((xmax - placement.x) / placement.width),
      toUnit((ymax - placement.y) / placement.height),
    ];
    const isRepeat = kept.some(
      (other) => other[0] === classIndex && intersectionOverUnion(other, prediction) > MAX_OVERLAP,
    );
    if (!isRepeat) kept.push(prediction);
  }
  return kept;
}

function toUnit(value: number): number {
  return Math.min(1, Math.max(0, value));
}

function intersectionOverUnion(a: Prediction, b: Prediction): number {
  const width = Math.min(a[4], b[4]) - Math.max(a[2], b[2]);
  const height = Math.min(a[5], b[5]) - Math.max(a[3], b[3]);
  if (width <= 0 || height <= 0) return 0;
  const intersection = width * height;
  return intersection / (area(a) + area(b) - intersection);
}

function area([, , xmin, ymin, xmax, ymax]: Prediction): number {
  return (xmax - xmin) * (ymax - ymin);
}

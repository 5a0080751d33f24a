import type { Detection } from '../../lambda/outputs.ts';

/** How many colours client.css has for labels. */
const COLORS = 7;

/** `person 0.83`. */
export function detectionText({ label, confidence }: Detection): string {
  return `${label} ${confidence.toFixed(2)}`;
}

/** For who cannot see the picture. */
export function describeDetections(detections: readonly Detection[]): string {
  return detections.length === 0 ? 'nothing detected' : detections.map(detectionText).join(', ');
}

export function byConfidence(detections: readonly Detection[]): Detection[] {
  return detections.toSorted((a, b) => b.confidence - a.confidence);
}

/** The class name of a label's colour: the same label has the same one everywhere. */
export function colorClass(label: string): string {
  let hash = 0;
  // 111 tells people and the commonest vehicles apart.
  for (const character of label) hash = (hash * 111 + (character.codePointAt(0) ?? 0)) >>> 0;
  return `color-${hash % COLORS}`;
}

/** The part of a box that is in the picture, or null; models draw some boxes beyond the edge. */
export function visibleBox({ xmin, ymin, xmax, ymax }: Detection['box']): Detection['box'] | null {
  const visible = { xmin: clamp(xmin), ymin: clamp(ymin), xmax: clamp(xmax), ymax: clamp(ymax) };
  return visible.xmin < visible.xmax && visible.ymin < visible.ymax ? visible : null;
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}

import { COCO_LABELS } from './labels.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ParserSettings {
  /** Names of the model's classes, by index. */
  classNames: readonly string[];
  /** Detections with a confidence above this are logged. */
  confidenceThreshold: number;
}

/** AWS KIT's parser logged scores greater than this. */
const DEFAULT_THRESHOLD = '0.15';

/**
 * Reads `CLASS_NAMES` (a JSON array, or names separated by commas; default: COCO) and `CONFIDENCE_THRESHOLD`
 * (0 to 1, default 0.15). An empty variable counts as not set, as CloudFormation cannot leave one out.
 * Throws an error that names the variable, its value and what would be right.
 */
export function readEnvironment(environment: Environment): ParserSettings {
  return {
    classNames: readClassNames(environment['CLASS_NAMES']?.trim()),
    confidenceThreshold: readThreshold(environment['CONFIDENCE_THRESHOLD']?.trim() || DEFAULT_THRESHOLD),
  };
}

function readClassNames(text: string | undefined): readonly string[] {
  if (!text) return COCO_LABELS;
  const names = text.startsWith('[') ? parseJson(text) : text.split(',').map((name) => name.trim());
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string' && name !== '')) {
    throw new Error(
      `CLASS_NAMES must be a JSON array of names, or names separated by commas, none of them empty, not ${text}`,
    );
  }
  return names;
}

function readThreshold(text: string): number {
  const threshold = Number(text);
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new Error(`CONFIDENCE_THRESHOLD must be a number from 0 to 1, not ${text}`);
  }
  return threshold;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

import type { ResultLine } from '../state.ts';
import { byConfidence, colorClass, detectionText } from './detections.ts';
import { find, fromTemplate, textElement } from './dom.ts';
import { formatLag, formatTime } from './format.ts';

/** The rest of a result's detections is counted. */
const MAX_DETECTIONS = 4;

/** The newest results, newest first; a result that comes twice has one row. */
export class ResultsTable {
  readonly #body: HTMLElement;
  readonly #rows = new Map<string, HTMLElement>();

  constructor(body: HTMLElement) {
    this.#body = body;
  }

  update(results: readonly ResultLine[]): void {
    const ids = new Set(results.map(({ id }) => id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    for (const result of results.toReversed()) {
      if (this.#rows.has(result.id)) continue;
      const row = resultRow(result);
      this.#rows.set(result.id, row);
      this.#body.prepend(row);
    }
  }
}

function resultRow({ streamName, serverTimestamp, lagMillis, detections }: ResultLine): HTMLElement {
  const row = fromTemplate('result-row', HTMLTableRowElement);
  const time = find(row, 'time', HTMLTimeElement);
  time.dateTime = serverTimestamp ?? '';
  time.textContent = formatTime(serverTimestamp);
  const stream = find(row, '.stream', HTMLElement);
  stream.textContent = streamName;
  stream.title = streamName;
  find(row, '.lag', HTMLElement).textContent = formatLag(lagMillis);
  find(row, '.seen', HTMLElement).append(...seen(detections));
  return row;
}

function seen(detections: ResultLine['detections']): HTMLElement[] {
  if (detections.length === 0) return [textElement('span', 'nothing', 'nothing')];
  const elements = byConfidence(detections)
    .slice(0, MAX_DETECTIONS)
    .map((detection) =>
      textElement('span', `detection ${colorClass(detection.label)}`, detectionText(detection)),
    );
  const rest = detections.length - elements.length;
  return rest === 0 ? elements : [...elements, textElement('span', 'nothing', `+${rest}`)];
}

import { METRICS, METRICS_NAMESPACE, type MetricName } from '../../core/metric-names.ts';
import { escaped, type PlottedLine, plot } from './plot.ts';
import type { Metric, MetricStore, Points } from './series.ts';
import { COLUMNS, type Line, type Row, type Statistic, type Widget } from './widgets.ts';

/** Pixels of CloudWatch's grid in a window of usual width. */
const CELL = { width: 70, height: 50 };
const GAP = 8;
const TITLE_HEIGHT = 26;
/** Points across a graph. */
const PERIODS = 60;

/**
 * The dashboard as a page: laid out as CloudWatch does, with the metrics of a log drawn in. What only AWS's own
 * services measure stays empty.
 */
export function boardHtml(rows: readonly Row[], store: MetricStore): string {
  const boxes: string[] = [];
  let y = 0;
  for (const { height, widgets } of rows) {
    let x = 0;
    for (const widget of widgets) {
      const size = { width: widget.width * CELL.width - GAP, height: height * CELL.height - GAP };
      const place = { left: x * CELL.width, top: y * CELL.height, ...size };
      const title = widget.type === 'text' ? '' : `<h2>${escaped(widget.title)}</h2>`;
      boxes.push(`<section style="${pixels(place)}">${title}${content(widget, store, size)}</section>`);
      x += widget.width;
    }
    y += height;
  }
  const size = pixels({ width: COLUMNS * CELL.width, height: y * CELL.height });
  const main = `<main style="${size}">${boxes.join('')}</main>`;
  return `<!doctype html><meta charset="utf-8"><title>Dashboard</title><style>${STYLE}</style>${main}`;
}

function pixels(lengths: Readonly<Record<string, number>>): string {
  return Object.entries(lengths)
    .map(([name, length]) => `${name}:${length}px`)
    .join(';');
}

function content(widget: Widget, store: MetricStore, size: { width: number; height: number }): string {
  switch (widget.type) {
    case 'text':
      return `<p>${markdown(widget.markdown)}</p>`;
    case 'alarm':
      return widget.alarms
        .map((arn) => `<span class="alarm">${named(arn.replace(/.*:/, ''))}</span>`)
        .join('');
    case 'log':
      return `<p>${named(widget.query)}</p>`;
    case 'metric': {
      const lines = plotted(widget.lines, widget.stat, store);
      if (widget.isNumber) return `<strong>${lines[0]?.points.at(-1)?.[1] ?? '--'}</strong>`;
      const { firstMillis: from, lastMillis: to } = store;
      return plot(lines, { width: size.width, height: size.height - TITLE_HEIGHT, from, to });
    }
  }
}

/** The visible lines, with what there is to draw of them. */
function plotted(lines: readonly Line[], stat: Statistic, store: MetricStore): PlottedLine[] {
  const periodSeconds = Math.max(1, Math.ceil((store.lastMillis - store.firstMillis) / PERIODS / 1000));
  const pointsOf = (metric: Metric, own: Statistic = stat) => store.points(metric, own, periodSeconds * 1000);
  const byId = new Map<string, Points>();
  return lines.flatMap((line): PlottedLine[] => {
    const { id, label, stat: own, visible, yAxis: axis = 'left' } = line.options;
    if ('expression' in line) {
      const scaled = inSeconds(line.expression, byId);
      if (scaled !== null)
        return [{ label: label ?? line.expression, unit: 'Seconds', axis, points: scaled }];
      return searched(line.expression, store).map((metric) => ({
        label: Object.values(metric.dimensions).at(-1) ?? metric.name,
        unit: unitOf(metric.namespace, metric.name),
        axis,
        points: pointsOf(metric),
      }));
    }
    const [namespace, name, ...dimensions] = line.metric;
    // Of whatever application the log is.
    const names = dimensions.filter((_, index) => index % 2 === 0);
    const metric = store.metrics(namespace, name, names)[0];
    const points = metric === undefined ? [] : pointsOf(metric, own);
    if (id !== undefined) byId.set(id, points);
    if (visible === false) return [];
    return [{ label: label ?? name, unit: unitOf(namespace, name), axis, points }];
  });
}

/** `id/1000`: milliseconds in seconds; null for any other expression. */
function inSeconds(expression: string, byId: ReadonlyMap<string, Points>): Points | null {
  const id = /^(\w+)\/1000$/.exec(expression)?.[1];
  const points = id === undefined ? undefined : byId.get(id);
  return points?.map(([millis, value]) => [millis, value / 1000] as const) ?? null;
}

/** What a search finds in the log: the metrics with the dimensions of its schema. */
function searched(expression: string, store: MetricStore): Metric[] {
  const found = /^SEARCH\('\{([^,]+),([^}]+)\}.*MetricName="(\w+)"'/.exec(expression);
  const [, namespace = '', dimensions = '', name = ''] = found ?? [];
  return store.metrics(namespace, name, dimensions.split(','));
}

function unitOf(namespace: string, name: string): string {
  return namespace === METRICS_NAMESPACE ? METRICS[name as MetricName] : '';
}

/** A placeholder is shown as its name. */
function named(text: string): string {
  return escaped(text).replace(/\$\{(\w+)[^}]*\}/g, '$1');
}

/** Of Markdown, what the dashboard has. */
function markdown(text: string): string {
  return named(text)
    .replace(/^## (.*)$/gm, '<b>$1</b>')
    .replace(/\*\*(.*?)\*\*/g, '<b>$1</b>')
    .replace(/\[(.*?)\]\(.*?\)/g, '<u>$1</u>')
    .replaceAll('\n', '<br>');
}

const STYLE = `body{margin:16px;background:#f2f3f3;font:13px Helvetica,Arial,sans-serif;color:#16191f}
main{position:relative}
section{position:absolute;background:#fff;border:1px solid #d5dbdb;box-sizing:border-box;overflow:hidden}
h2{font-size:14px;margin:6px 10px 0}
p{margin:8px 10px}
strong{display:block;font-size:48px;margin:60px 20px}
.alarm{display:inline-block;margin:6px 0 0 10px;padding:6px 10px;background:#e7f4e4;border-left:4px solid #1d8102}`;

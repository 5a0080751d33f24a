import { METRICS_NAMESPACE, type MetricName } from '../../core/metric-names.ts';

/** What CloudFormation's Fn::Sub replaces: a parameter, a resource or an attribute of one. */
export function placeholder(name: string): string {
  return `\${${name}}`;
}

export type Statistic = 'Sum' | 'Average' | 'Minimum' | 'Maximum' | `p${number}`;

export interface LineOptions {
  readonly stat?: Statistic;
  readonly label?: string;
  readonly yAxis?: 'right';
  /** For expressions that refer to it. */
  readonly id?: string;
  readonly visible?: false;
}

/** A metric: namespace, name, then names and values of its dimensions. Or an expression. */
export type Line =
  | { readonly metric: readonly [string, string, ...string[]]; readonly options: LineOptions }
  | { readonly expression: string; readonly options: LineOptions };

/** A metric of ours. */
export function own(name: MetricName, options: LineOptions = {}): Line {
  return { metric: [METRICS_NAMESPACE, name, 'AppName', placeholder('AppName')], options };
}

export function metric(
  namespace: string,
  dimensions: Readonly<Record<string, string>>,
  name: string,
  options: LineOptions = {},
): Line {
  return { metric: [namespace, name, ...Object.entries(dimensions).flat()], options };
}

/** Metric math, or a search for metrics whose dimensions are not known before. */
export function expression(text: string, options: LineOptions = {}): Line {
  return { expression: text, options };
}

/** Metrics that are not known before, by the names of their dimensions: an expression. */
export function search(schema: string, term: string, stat: Statistic): string {
  return `SEARCH('{${schema}} ${term}','${stat}')`;
}

interface Placed {
  readonly title: string;
  /** Columns of the 24. */
  readonly width: number;
}

export type Widget =
  | { readonly type: 'text'; readonly width: number; readonly markdown: string }
  | (Placed & { readonly type: 'alarm'; readonly alarms: readonly string[] })
  | (Placed & { readonly type: 'log'; readonly logGroup: string; readonly query: string })
  | (Placed & {
      readonly type: 'metric';
      /** Of the lines that name none. */
      readonly stat: Statistic;
      readonly lines: readonly Line[];
      /** The last value in large type instead of a graph. */
      readonly isNumber?: true;
      /** A horizontal line: a label and a value, which Fn::Sub puts in. */
      readonly limit?: { readonly label: string; readonly value: string };
    });

export interface Row {
  readonly height: number;
  readonly widgets: readonly Widget[];
}

export const COLUMNS = 24;

/** Of most rows. */
export const HEIGHT = 6;

/** A graph over time; the statistic is of the lines that name none. */
export function graph(title: string, width: number, stat: 'Sum' | 'Maximum', lines: readonly Line[]): Widget {
  return { type: 'metric', title, width, stat, lines };
}

/**
 * The dashboard's body, one line of JSON for Fn::Sub
 * (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html).
 */
export function dashboardJson(rows: readonly Row[]): string {
  const widgets: unknown[] = [];
  let y = 0;
  for (const { height, widgets: inRow } of rows) {
    let x = 0;
    for (const widget of inRow) {
      const { type, width } = widget;
      widgets.push({ type, height, width, x, y, properties: properties(widget) });
      x += width;
    }
    y += height;
  }
  // The value of a limit is a number once it is put in.
  return JSON.stringify({ start: '-PT3H', widgets }).replace(/"value":"(\$\{\w+\})"/g, '"value":$1');
}

function properties(widget: Widget): unknown {
  const region = placeholder('AWS::Region');
  switch (widget.type) {
    case 'text':
      return { markdown: widget.markdown };
    case 'alarm':
      return { title: widget.title, alarms: widget.alarms };
    case 'log': {
      const query = `SOURCE '${widget.logGroup}' | ${widget.query}`;
      return { region, title: widget.title, view: 'bar', query };
    }
    case 'metric': {
      const { title, stat, lines, limit } = widget;
      return {
        region,
        ...(widget.isNumber ? { view: 'singleValue', sparkline: true } : { yAxis: FROM_ZERO }),
        title,
        stat,
        metrics: shortened(lines),
        ...(limit === undefined ? {} : { annotations: { horizontal: [limit] } }),
      };
    }
  }
}

const FROM_ZERO = { left: { min: 0 }, right: { min: 0 } };

/** "." stands for what the metric before has in the same place, "..." for all of it. */
function shortened(lines: readonly Line[]): unknown[] {
  let before: readonly string[] = [];
  return lines.map((line) => {
    if ('expression' in line) {
      before = [];
      return [{ expression: line.expression, ...line.options }];
    }
    const parts = line.metric.map((part, index) => (part === before[index] ? '.' : part));
    const isRepeated = parts.length === before.length && parts.every((part) => part === '.');
    before = line.metric;
    const options = Object.keys(line.options).length === 0 ? [] : [line.options];
    return [...(isRepeated ? ['...'] : parts), ...options];
  });
}

import { isObject, type Json, type JsonObject } from './template.ts';

/** A metric that a dashboard or an alarm asks CloudWatch for. */
export interface ShownMetric {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly stat: string;
}

export const widgets = (body: Json): JsonObject[] => objects(isObject(body) ? body['widgets'] : undefined);

export const widgetProperties = (widget: JsonObject): JsonObject =>
  isObject(widget['properties']) ? widget['properties'] : {};

/**
 * The metrics of a dashboard, those that its searches look for included
 * (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html).
 */
export function metricsOfDashboard(body: Json): ShownMetric[] {
  return widgets(body)
    .filter(({ type }) => type === 'metric')
    .flatMap((widget) => metricsOfWidget(widgetProperties(widget)));
}

function metricsOfWidget({ metrics, stat = 'Average' }: JsonObject): ShownMetric[] {
  let previous: string[] = [];
  return (Array.isArray(metrics) ? metrics : []).filter(Array.isArray).flatMap((line) => {
    const options = line.find(isObject) ?? {};
    if ('expression' in options) return searched(String(options['expression']));
    const names = written(line.filter((part) => typeof part === 'string') as string[], previous);
    previous = names;
    const [namespace = '', name = '', ...pairs] = names;
    const dimensions = pairs.flatMap((key, index) =>
      index % 2 === 0 ? [[key, pairs[index + 1] ?? '']] : [],
    );
    return [
      { namespace, name, dimensions: Object.fromEntries(dimensions), stat: String(options['stat'] ?? stat) },
    ];
  });
}

/** In full: `.` is what stands there in the line before, `...` all that the line leaves out. */
function written(parts: string[], previous: string[]): string[] {
  const filled = parts.flatMap((part) => {
    return part === '...' ? previous.slice(0, previous.length - parts.length + 1) : [part];
  });
  return filled.map((part, index) => (part === '.' ? (previous[index] ?? '') : part));
}

/** `SEARCH('{namespace,dimension,…} dimension="value" MetricName=("a" OR "b")','stat')`. */
function searched(expression: string): ShownMetric[] {
  return [...expression.matchAll(/SEARCH\('\{([^}]*)\}([^']*)',\s*'(\w+)'/g)].flatMap(
    ([, schema = '', term = '', stat = '']) => {
      const [namespace = '', ...keys] = schema.split(',').map((part) => part.replaceAll('"', '').trim());
      const names = /MetricName=(?:"([^"]+)"|\(([^)]*)\))/.exec(term);
      const values = new Map(
        [...term.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value]),
      );
      const dimensions = Object.fromEntries(keys.map((key) => [key, values.get(key) ?? '*']));
      return [...(names?.[0] ?? '').matchAll(/"([^"]+)"/g)].map(([, name = '']) => ({
        namespace,
        name,
        dimensions,
        stat,
      }));
    },
  );
}

/** The metrics of an alarm, or of a policy that scales by a metric. */
export function metricsOfProperties(properties: JsonObject): ShownMetric[] {
  const { MetricName, Namespace, Dimensions, Statistic, ExtendedStatistic, Metrics } = properties;
  if (typeof MetricName === 'string') {
    return [shown(Namespace, MetricName, Dimensions, ExtendedStatistic ?? Statistic)];
  }
  return objects(Metrics).flatMap(({ MetricStat }) => {
    if (!isObject(MetricStat) || !isObject(MetricStat['Metric'])) return [];
    const { Namespace: namespace, MetricName: name, Dimensions: dimensions } = MetricStat['Metric'];
    return [shown(namespace, name, dimensions, MetricStat['Stat'])];
  });
}

function shown(namespace: unknown, name: unknown, dimensions: Json | undefined, stat: unknown): ShownMetric {
  const pairs = objects(dimensions).map(({ Name, Value }) => [String(Name), String(Value)]);
  return {
    namespace: String(namespace),
    name: String(name),
    dimensions: Object.fromEntries(pairs),
    stat: String(stat),
  };
}

export const objects = (value: Json | undefined): JsonObject[] =>
  Array.isArray(value) ? value.filter(isObject) : [];

import { readdirSync, readFileSync } from 'node:fs';
import { METRICS, METRICS_NAMESPACE } from '../../src/core/metric-names.ts';
import { evaluate, PSEUDO_PARAMETERS, type Stack } from './evaluate.ts';
import { FULL, MINIMAL } from './examples.ts';
import {
  metricsOfDashboard,
  metricsOfProperties,
  objects,
  type ShownMetric,
  widgetProperties,
  widgets,
} from './shown-metrics.ts';
import { isObject, type Json, type JsonObject, MAIN_TEMPLATE, readTemplate } from './template.ts';

const template = readTemplate(MAIN_TEMPLATE);
const stack = evaluate(template, MINIMAL);
const dashboard = JSON.parse(String(stack.resources['Dashboard']?.Properties['DashboardBody'])) as Json;

const ofType = ({ resources }: Stack, type: string) =>
  Object.entries(resources).filter(([, { Type }]) => Type === type);
const alarms = ofType(stack, 'AWS::CloudWatch::Alarm');
const ofAlarms = alarms.flatMap(([, { Properties }]) => metricsOfProperties(Properties));
const ofScaling = ofType(stack, 'AWS::ApplicationAutoScaling::ScalingPolicy').flatMap(
  ([, { Properties }]) => {
    const target = Properties['TargetTrackingScalingPolicyConfiguration'];
    const metric = isObject(target) ? target['CustomizedMetricSpecification'] : undefined;
    return isObject(metric) ? metricsOfProperties(metric) : [];
  },
);
const ofDashboard = metricsOfDashboard(dashboard);
const all = [...ofDashboard, ...ofAlarms, ...ofScaling];
const isOwn = ({ namespace }: ShownMetric) => namespace === METRICS_NAMESPACE;

/** The metrics that the worker observes value by value; it counts the others. */
const OBSERVED = new Set(
  readdirSync(new URL('../../src', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8'))
    .flatMap((source) => [...source.matchAll(/\bobserve\(\s*'(\w+)'/g)].map(([, name = '']) => name)),
);

/** Observed once for each event, so that their sum says something, too. */
const SUMMABLE = ['GapDuration', 'SkippedDuration'];

test('every metric that is shown, scaled by or alarmed by is one that the worker writes', () => {
  const names = all.filter(isOwn).map(({ name }) => name);
  expect(names.filter((name) => !(name in METRICS))).toEqual([]);
});

test('every metric that the worker writes is on the dashboard', () => {
  const names = new Set(ofDashboard.filter(isOwn).map(({ name }) => name));
  expect(Object.keys(METRICS).filter((name) => !names.has(name))).toEqual([]);
});

test('every own metric is asked for with the dimensions that it has', () => {
  const wrong = all.filter(isOwn).filter(({ name, dimensions }) => {
    const { AppName, ...more } = dimensions;
    const known = name === 'FramesFailed' ? ['Error'] : [];
    return AppName !== 'kvs-inference' || Object.keys(more).some((key) => !known.includes(key));
  });
  expect(wrong).toEqual([]);
});

test('what is counted is summed, and what is observed is not', () => {
  expect(OBSERVED.size).toBeGreaterThan(5);
  const wrong = all.filter(isOwn).filter(({ name, stat }) => {
    if (!OBSERVED.has(name)) return stat !== 'Sum';
    return stat === 'Sum' && !SUMMABLE.includes(name);
  });
  expect(wrong).toEqual([]);
});

test('metrics of the services are those of what the stack made', () => {
  const dimensionsOf: Record<string, string[]> = {
    'AWS/ECS': ['ClusterName', 'ServiceName'],
    'AWS/Kinesis': ['StreamName'],
    'AWS/Lambda': ['FunctionName'],
    'AWS/SQS': ['QueueName'],
    'AWS/DynamoDB': ['TableName'],
    'AWS/SageMaker': ['EndpointName', 'VariantName'],
  };
  for (const { namespace, dimensions } of all.filter((metric) => !isOwn(metric))) {
    expect({ namespace, keys: Object.keys(dimensions).sort() }).toEqual({
      namespace,
      keys: dimensionsOf[namespace]?.sort(),
    });
    // Such as `Kds.Ref`, which no real stack would be called.
    for (const value of Object.values(dimensions)) expect(value).toMatch(/^([A-Za-z]+\.\w+|detector|\*)$/);
  }
});

test('every group of the old dashboard is there under its name', () => {
  const titles = widgets(dashboard).map((widget) => String(widgetProperties(widget)['title']));
  const groups = [
    ...['Frame Metrics', 'IngestToProcessLatency', 'Current Lease Total', 'Lease Sync Metrics'],
    ...['LeaseCount per Worker', 'Number of Workers', 'ECS Service Utilization', 'KinesisDataStream'],
    ...['SageMaker', 'Lambda'],
  ];
  expect(groups.filter((group) => !titles.includes(group))).toEqual([]);
});

test('widgets lie on the grid, none upon another', () => {
  const taken = new Set<string>();
  for (const { x, y, width, height } of widgets(dashboard)) {
    expect(Number(x) + Number(width)).toBeLessThanOrEqual(24);
    for (let column = Number(x); column < Number(x) + Number(width); column += 1) {
      for (let row = Number(y); row < Number(y) + Number(height); row += 1) {
        expect(taken).not.toContain(`${column},${row}`);
        taken.add(`${column},${row}`);
      }
    }
  }
});

test('the dashboard shows every alarm of the stack, and no other', () => {
  const { 'AWS::Region': region, 'AWS::AccountId': account } = PSEUDO_PARAMETERS;
  const arns = alarms.map(([id, { Properties }]) => [
    `${id}.Arn`,
    `arn:aws:cloudwatch:${region}:${account}:alarm:${Properties['AlarmName']}`,
  ]);
  const shown = widgets(dashboard)
    .filter(({ type }) => type === 'alarm')
    .flatMap((widget) => widgetProperties(widget)['alarms'] ?? []);
  expect(arns.filter((either) => !either.some((arn) => shown.includes(arn)))).toEqual([]);
  expect(shown.filter((arn) => !arns.flat().includes(String(arn)))).toEqual([]);
});

test('the widgets with logs read log groups of the stack', () => {
  const groups = ofType(stack, 'AWS::Logs::LogGroup').map(([id]) => `${id}.Ref`);
  const sources = widgets(dashboard)
    .filter(({ type }) => type === 'log')
    .flatMap((widget) => [...String(widgetProperties(widget)['query']).matchAll(/SOURCE '([^']+)'/g)])
    .map(([, group]) => group);
  expect(sources.filter((group) => group === undefined || !groups.includes(group))).toEqual([]);
  expect(sources.length).toBe(widgets(dashboard).filter(({ type }) => type === 'log').length);
});

test('the saved queries read log groups of the stack, and have names of their own', () => {
  const groups = ofType(stack, 'AWS::Logs::LogGroup').map(([id]) => `${id}.Ref`);
  const queries = ofType(stack, 'AWS::Logs::QueryDefinition').map(([, { Properties }]) => Properties);
  for (const { LogGroupNames } of queries)
    expect(groups).toEqual(expect.arrayContaining(LogGroupNames as string[]));
  expect(queries.length).toBeGreaterThanOrEqual(3);
  expect(new Set(queries.map(({ Name }) => Name)).size).toBe(queries.length);
});

describe('the alarms', () => {
  test('are the promised ones', () => {
    expect(alarms.map(([id]) => id).sort()).toEqual([
      ...['ConfigurationRejected', 'FailedRecordsWaiting', 'FramesFailing', 'LeaseChurn', 'NoResults'],
      ...['NoWorkers', 'ParserBehind', 'ResultsTooOld'],
    ]);
  });

  test('do not call for workers where none are meant to run', () => {
    const idle = ofType(
      evaluate(template, { ...MINIMAL, MinWorkers: 0, MaxWorkers: 0 }),
      'AWS::CloudWatch::Alarm',
    ).map(([id]) => id);
    expect(alarms.map(([id]) => id).filter((id) => !idle.includes(id))).toEqual([
      'ResultsTooOld',
      'NoWorkers',
    ]);
  });

  test('tell the topic, where there is one', () => {
    const actions = (parameters: typeof MINIMAL) =>
      ofType(evaluate(template, parameters), 'AWS::CloudWatch::Alarm').map(
        ([, { Properties }]) => Properties['AlarmActions'],
      );
    expect(actions(MINIMAL)).toEqual(alarms.map(() => []));
    expect(actions(FULL)).toEqual(alarms.map(() => [FULL['AlarmTopicArn']]));
  });

  test.each(alarms.map(([id, { Properties }]) => [id, Properties] as const))(
    '%s comes to one number',
    (_id, properties) => {
      expect(properties['AlarmName']).toMatch(/^kvs-inference-/);
      expect(metricsOfProperties(properties)).not.toEqual([]);
      const queries = objects(properties['Metrics']);
      if (queries.length === 0) return;
      expect(queries.filter(({ ReturnData }) => ReturnData !== false)).toHaveLength(1);
      const ids = queries.map(({ Id }) => String(Id));
      expect(ids.every((id) => /^[a-z]\w*$/.test(id))).toBe(true);
      const used = queries.flatMap(({ Expression = '' }) => String(Expression).match(/\b[a-z]\w*/g) ?? []);
      expect(used.filter((id) => !ids.includes(id))).toEqual([]);
      expect(
        ids.filter((id, index) => !used.includes(id) && queries[index]?.['ReturnData'] === false),
      ).toEqual([]);
    },
  );

  test('ResultsTooOld goes off at the parameter', () => {
    const threshold = (parameters: JsonObject) =>
      evaluate(template, { ...MINIMAL, ...(parameters as typeof MINIMAL) }).resources['ResultsTooOld']
        ?.Properties['Threshold'];
    expect(threshold({})).toBe(300);
    expect(threshold({ MaxResultAgeInSeconds: 20 })).toBe(20);
  });
});

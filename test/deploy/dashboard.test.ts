import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { METRICS, METRICS_NAMESPACE, type MetricName } from '../../src/core/metric-names.ts';
import { DASHBOARD, dashboardBody, factored } from '../../src/deploy/dashboard/board.ts';
import { dashboardJson, expression, metric, own } from '../../src/deploy/dashboard/widgets.ts';

interface WidgetJson {
  type: string;
  x: number;
  y: number;
  width: number;
  height: number;
  properties: {
    title?: string;
    markdown?: string;
    query?: string;
    metrics?: Array<Array<string | Record<string, unknown>>>;
    annotations?: { horizontal: Array<{ value: unknown }> };
  };
}

const templateFile = new URL('../../cloudformation/kvs-inference.yaml', import.meta.url);
const { generatedParts, withGeneratedParts } = (await import(
  new URL('../../scripts/template.mjs', import.meta.url).href
)) as {
  generatedParts: () => Promise<Parts>;
  withGeneratedParts: (template: string, parts: Parts) => string;
};

interface Parts {
  parserCode: string;
  dashboard: { body: string; variables: Record<string, string> };
}

/** The body as CloudWatch gets it, every parameter and resource being called 300. */
function widgetsOf(body: string): WidgetJson[] {
  return (JSON.parse(body.replace(/\$\{[\w:.]+\}/g, '300')) as { widgets: WidgetJson[] }).widgets;
}

const widgets = widgetsOf(dashboardBody());

test('each row fills the 24 columns, and none is under another', () => {
  const cells = new Set<string>();
  let area = 0;
  for (const { x, y, width, height } of widgets) {
    area += width * height;
    for (let column = x; column < x + width; column += 1) {
      for (let line = y; line < y + height; line += 1) cells.add(`${column} ${line}`);
    }
  }
  const lines = DASHBOARD.reduce((sum, { height }) => sum + height, 0);
  expect(cells.size).toBe(area);
  expect(cells.size).toBe(24 * lines);
  expect(Math.max(...widgets.map(({ x, width }) => x + width))).toBe(24);
});

test('an axis has one unit, and a graph no more lines than the eye can tell apart', () => {
  for (const row of DASHBOARD) {
    for (const widget of row.widgets) {
      if (widget.type !== 'metric') continue;
      expect(widget.lines.length).toBeLessThanOrEqual(7);
      const drawn = widget.lines.filter(({ options }) => options.visible !== false);
      for (const axis of [undefined, 'right'] as const) {
        const units = drawn
          .filter(({ options }) => options.yAxis === axis)
          .flatMap((line) => ('metric' in line ? [line.metric] : []))
          .filter(([namespace]) => namespace === METRICS_NAMESPACE)
          .map(([, name]) => METRICS[name as MetricName]);
        expect({ title: widget.title, units: new Set(units).size }).toEqual({
          title: widget.title,
          units: Math.min(units.length, 1),
        });
      }
    }
  }
});

test('a repeated namespace, dimension or whole metric is written short', () => {
  const lines = [
    own('Gaps'),
    own('Skips', { yAxis: 'right' }),
    own('Skips', { stat: 'p90', label: 'p90' }),
    metric('AWS/Kinesis', { StreamName: 'results' }, 'IncomingBytes'),
    own('Gaps', { id: 'a', visible: false }),
    expression('a/1000', { label: 'seconds' }),
    own('Gaps'),
  ];
  const [widget] = widgetsOf(
    dashboardJson([
      { height: 6, widgets: [{ type: 'metric', title: 'All', width: 24, stat: 'Sum', lines }] },
    ]),
  );
  expect(widget?.properties.metrics).toEqual([
    ['KvsInference', 'Gaps', 'AppName', '300'],
    ['.', 'Skips', '.', '.', { yAxis: 'right' }],
    ['...', { stat: 'p90', label: 'p90' }],
    ['AWS/Kinesis', 'IncomingBytes', 'StreamName', 'results'],
    ['KvsInference', 'Gaps', 'AppName', '300', { id: 'a', visible: false }],
    [{ expression: 'a/1000', label: 'seconds' }],
    ['KvsInference', 'Gaps', 'AppName', '300'],
  ]);
});

test('the line of the alarm is a number', () => {
  const limits = widgets.flatMap(({ properties }) => properties.annotations?.horizontal ?? []);
  expect(limits.map(({ value }) => value)).toEqual([300]);
});

test('what the widgets have in common is factored out, and is put in again', () => {
  const { body, variables } = factored(dashboardBody());
  expect(body.replace(/\$\{[\w:.]+\}/g, '')).not.toContain('$' + '{');
  let expanded = body;
  for (const [name, fragment] of Object.entries(variables).reverse()) {
    expect(body.split(`\${${name}}`).length - 1).toBeGreaterThan(1);
    expect(name).not.toMatch(/^[yn]$/i);
    expanded = expanded.replaceAll(`\${${name}}`, () => fragment);
  }
  expect(expanded).toBe(dashboardBody());
});

describe('the generated parts of the template', () => {
  const parts: Parts = {
    parserCode: `"use strict";\nvar a='it''s: # no comment';\n  exports.handler=()=>"a";`,
    dashboard: {
      body: `{"query":"SOURCE '\${G}' | filter"}`,
      variables: { G: `"\${AWS::Region}"`, S: "it's" },
    },
  };
  const template = [
    'Resources:',
    '  LambdaFunction:',
    '    Code: !If',
    '      - HasOwnParser',
    '      - S3Bucket: !Ref LambdaFunctionBucket',
    '      - ZipFile: "PARSER"',
    '',
    '  Dashboard:',
    '    Properties:',
    '      DashboardBody: !Sub "DASHBOARD"',
    '      DashboardName: cameras',
    '',
  ].join('\n');

  test('stand in it as they are, also when they are put in again', () => {
    const text = withGeneratedParts(template, parts);
    const { LambdaFunction, Dashboard } = parse(text, { logLevel: 'error' }).Resources;
    expect(LambdaFunction.Code[2]).toEqual({ ZipFile: parts.parserCode });
    expect(Dashboard.Properties).toEqual({
      DashboardBody: [parts.dashboard.body, parts.dashboard.variables],
      DashboardName: 'cameras',
    });
    expect(withGeneratedParts(text, parts)).toBe(text);
  });

  test('need a place', () => {
    expect(() => withGeneratedParts(template.replace('ZipFile', 'S3Key'), parts)).toThrow(
      'the template has 0 times the key ZipFile, not once',
    );
  });

  test('are in the template as `npm run template` writes them', async () => {
    const text = readFileSync(templateFile, 'utf8');
    const isUpToDate = withGeneratedParts(text, await generatedParts()) === text;
    expect({ isUpToDate }).toEqual({ isUpToDate: true });
  });
});

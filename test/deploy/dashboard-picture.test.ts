import { DASHBOARD } from '../../src/deploy/dashboard/board.ts';
import { boardHtml } from '../../src/deploy/dashboard/picture.ts';
import { MetricStore } from '../../src/deploy/dashboard/series.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recorded } from '../support/services.ts';

const PERIOD_MILLIS = 60_000;
const application = { namespace: 'KvsInference', dimensions: { AppName: 'test' } };

/** A log of two minutes, in the second of which an endpoint fails. */
function storeOfLog(): { store: MetricStore; start: number } {
  const clock = new ManualClock();
  const { log, lines, metrics } = recorded(clock);
  clock.advance(PERIOD_MILLIS - (clock.now() % PERIOD_MILLIS));
  const start = clock.now();
  log.info('worker started');
  metrics.count('FramesSampled', 'front', 3);
  for (const millis of [100, 200, 300]) metrics.observe('InvocationLatency', 'front', millis);
  metrics.flush();
  clock.advance(PERIOD_MILLIS / 2);
  metrics.count('FramesSampled', 'side', 2);
  metrics.observe('InvocationLatency', 'side', 400);
  metrics.flush();
  clock.advance(PERIOD_MILLIS);
  metrics.count('FramesFailed', 'front', 4);
  metrics.countByError('FramesFailed', 'ModelError');
  metrics.flush();
  const store = new MetricStore();
  for (const line of lines) store.add(JSON.stringify(line));
  return { store, start };
}

test("a log's metrics are gathered as CloudWatch does", () => {
  const { store, start } = storeOfLog();
  const points = (name: string, stat: 'Sum' | 'Average' | 'Minimum' | 'Maximum' | 'p50' | 'p99') =>
    store.points({ ...application, name }, stat, PERIOD_MILLIS);
  expect(points('FramesSampled', 'Sum')).toEqual([[start, 5]]);
  expect(points('InvocationLatency', 'Average')).toEqual([[start, 250]]);
  expect(points('InvocationLatency', 'Minimum')).toEqual([[start, 100]]);
  expect(points('InvocationLatency', 'Maximum')).toEqual([[start, 400]]);
  expect(points('InvocationLatency', 'p50')).toEqual([[start, 200]]);
  expect(points('InvocationLatency', 'p99')).toEqual([[start, 400]]);
  expect(points('FramesFailed', 'Sum')).toEqual([[start + PERIOD_MILLIS, 4]]);
  expect(points('Gaps', 'Sum')).toEqual([]);
  expect(store.metrics('KvsInference', 'FramesFailed', ['AppName', 'Error'])).toEqual([
    { ...application, name: 'FramesFailed', dimensions: { AppName: 'test', Error: 'ModelError' } },
  ]);
  expect([store.firstMillis, store.lastMillis]).toEqual([start, start + 1.5 * PERIOD_MILLIS]);
});

test('the picture has every widget, and the lines that the log has values of', () => {
  const { store } = storeOfLog();
  const html = boardHtml(DASHBOARD, store);
  const section = (title: string) =>
    html.split('<section').find((each) => each.includes(`<h2>${title}`)) ?? '';
  for (const { widgets } of DASHBOARD) {
    for (const widget of widgets) if (widget.type !== 'text') expect(section(widget.title)).not.toBe('');
  }
  const drawn = (title: string) => section(title).match(/points="[^"]+"/g)?.length ?? 0;
  expect(drawn('Frame Metrics')).toBe(2);
  expect(drawn('Endpoint latency')).toBe(3);
  expect(drawn('Failures by error')).toBe(1);
  expect(section('Failures by error')).toContain('ModelError');
  expect(drawn('Lambda')).toBe(0);
});

import { type Clock, systemClock, withTimeout } from '../../src/core/clock.ts';
import { Closers } from '../../src/core/closers.ts';
import { errorName, KvsInferenceError } from '../../src/core/errors.ts';
import { createLogger } from '../../src/core/log.ts';
import { METRICS, type MetricName } from '../../src/core/metric-names.ts';
import { Metrics } from '../../src/core/metrics.ts';
import { fullJitter, retry } from '../../src/core/retry.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { HastyClock, recorded } from '../support/services.ts';

const never = new AbortController().signal;

describe('withTimeout', () => {
  const hanging = (signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });

  test('gives what the operation gives', async () => {
    await expect(withTimeout(systemClock, 1000, never, async () => 7)).resolves.toBe(7);
  });

  test('ends it when its time is up, with an error that can be retried', async () => {
    const clock = new ManualClock();
    const running = withTimeout(clock, 1000, never, hanging);
    clock.advance(1000);
    await expect(running).rejects.toMatchObject({
      code: 'TIMEOUT',
      retryable: true,
      message: 'no answer within 1000 ms',
    });
  });

  test('ends it with the outer signal, for the reason that has', async () => {
    const outer = new AbortController();
    const running = withTimeout(new ManualClock(), 1000, outer.signal, hanging);
    outer.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    await expect(withTimeout(systemClock, 1000, outer.signal, async () => 7)).rejects.toThrow('enough');
  });
});

describe('retry', () => {
  const attempt = async (clock: Clock, failures: number, attempts: number) => {
    let calls = 0;
    const retried: number[] = [];
    const result = await retry(
      async () => {
        calls += 1;
        if (calls <= failures) throw new Error(`failure ${calls}`);
        return calls;
      },
      {
        clock,
        attempts,
        baseDelayMillis: 100,
        maxDelayMillis: 400,
        isRetryable: (error) => (error as Error).message !== 'failure 4',
        onRetry: (_error, number) => retried.push(number),
      },
    ).catch((error: Error) => error.message);
    return { result, retried };
  };

  test('ends with success, the attempts, or an error that cannot be retried', async () => {
    expect(await attempt(new HastyClock(), 2, 5)).toEqual({ result: 3, retried: [1, 2] });
    expect(await attempt(new HastyClock(), 9, 3)).toEqual({ result: 'failure 3', retried: [1, 2] });
    expect(await attempt(new HastyClock(), 9, 9)).toEqual({ result: 'failure 4', retried: [1, 2, 3] });
  });

  test('full jitter: anywhere up to a ceiling that doubles, and is bounded', () => {
    const options = { baseDelayMillis: 100, maxDelayMillis: 400 };
    expect([1, 2, 3, 4, 5].map((number) => fullJitter(number, options, () => 1))).toEqual([
      100, 200, 400, 400, 400,
    ]);
    expect(fullJitter(3, options, () => 0)).toBe(0);
  });
});

test('closers end in reverse, all of them, and tell the first failure', async () => {
  const ended: number[] = [];
  const closers = new Closers();
  for (const number of [1, 2, 3]) {
    closers.defer(async () => {
      ended.push(number);
      if (number === 2) throw new Error('two');
    });
  }
  await expect(closers.close()).rejects.toThrow('two');
  expect(ended).toEqual([3, 2, 1]);
  await closers.close();
});

test('an error is told by the name that says most', () => {
  const throttled = Object.assign(new Error('slow down'), { name: 'ThrottlingException' });
  expect(errorName(throttled)).toBe('ThrottlingException');
  expect(errorName(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))).toBe('ECONNRESET');
  expect(errorName(new KvsInferenceError('TIMEOUT', 'late'))).toBe('TIMEOUT');
  expect(errorName('text')).toBe('Unknown');
});

test('a log line has no more of an error than name, message, code, cause and stack', () => {
  const lines: string[] = [];
  const log = createLogger('info', { write: (line: string) => void lines.push(line) });
  const cause = new Error('inner');
  const error = Object.assign(new Error('outer', { cause }), {
    $response: { headers: { authorization: 'secret' } },
  });
  log.error({ err: error }, 'failed');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'error',
    msg: 'failed',
    err: { name: 'Error', message: 'outer', cause: { message: 'inner' } },
  });
  expect(lines[0]).not.toContain('secret');
});

describe('metrics', () => {
  const clock = new HastyClock();
  const metricsLines = (lines: Array<Record<string, unknown>>) =>
    lines.filter(({ _aws }) => _aws !== undefined);

  test('are lines in the embedded metric format, of the application and of each stream', () => {
    const { metrics, lines } = recorded(clock);
    metrics.count('FramesReceived', 'front', 3);
    metrics.count('FramesReceived', 'back');
    metrics.observe('MillisBehindNow', 'front', 17);
    metrics.flush();
    const [application, front, back] = metricsLines(lines);
    expect(application).toMatchObject({
      _aws: {
        Timestamp: clock.now(),
        CloudWatchMetrics: [
          {
            Namespace: 'KvsInference',
            Dimensions: [['AppName']],
            Metrics: [
              { Name: 'FramesReceived', Unit: 'Count' },
              { Name: 'MillisBehindNow', Unit: 'Milliseconds' },
            ],
          },
        ],
      },
      AppName: 'test',
      FramesReceived: 4,
      MillisBehindNow: [17],
    });
    expect(front).toMatchObject({ StreamName: 'front', FramesReceived: 3, MillisBehindNow: [17] });
    expect(front).toMatchObject({
      _aws: { CloudWatchMetrics: [{ Dimensions: [['AppName', 'StreamName']] }] },
    });
    expect(back).toMatchObject({ StreamName: 'back', FramesReceived: 1 });
  });

  test('start anew with each line, and nothing is written where there is nothing', () => {
    const { metrics, lines } = recorded(clock);
    metrics.count('Gaps', null);
    metrics.flush();
    metrics.flush();
    expect(metricsLines(lines)).toHaveLength(1);
  });

  test('hold at most a hundred values', () => {
    const { metrics, lines } = recorded(clock);
    for (let value = 0; value < 1000; value += 1) metrics.observe('InvocationLatency', null, value);
    metrics.flush();
    const values = metricsLines(lines)[0]?.['InvocationLatency'] as number[];
    expect(new Set(values).size).toBe(100);
    expect(values.filter((value) => value >= 100).length).toBeGreaterThan(1);
  });

  test('hold the greatest value, whichever others', () => {
    for (let time = 0; time < 20; time += 1) {
      const { metrics, lines } = recorded(clock);
      for (let stream = 0; stream < 500; stream += 1) {
        metrics.observe('NewestResultAge', null, stream === time * 20 ? 3_600_000 : stream);
      }
      metrics.flush();
      const values = metricsLines(lines)[0]?.['NewestResultAge'] as number[];
      expect(values).toHaveLength(100);
      expect(values).toContain(3_600_000);
    }
  });

  test('are counted by error, too, in lines of their own', () => {
    const { log, lines } = recorded(clock);
    const named = log.child({ worker: '1234abcd' });
    const metrics = new Metrics({ log: named, clock, appName: 'test', perStream: () => true });
    metrics.countByError('FramesFailed', 'ModelError');
    metrics.countByError('FramesFailed', 'ModelError');
    metrics.count('LeasesLost', null);
    metrics.flush();
    metrics.flush();
    expect(metricsLines(lines)).toHaveLength(2);
    expect(metricsLines(lines)).toContainEqual(
      expect.objectContaining({ worker: '1234abcd', AppName: 'test', LeasesLost: 1 }),
    );
    const byError = lines.find((line) => line['Error'] !== undefined);
    expect(byError).toMatchObject({
      _aws: {
        CloudWatchMetrics: [
          {
            Dimensions: [['AppName', 'Error']],
            Metrics: [{ Name: 'FramesFailed', Unit: 'Count' }],
          },
        ],
      },
      worker: '1234abcd',
      AppName: 'test',
      Error: 'ModelError',
      FramesFailed: 2,
    });
  });

  test('share a line from the twenty-first error on, and where an error has no proper name', () => {
    const { metrics, lines } = recorded(clock);
    const errors = ['<html> Bad Gateway', '', ...Array.from({ length: 30 }, (_, index) => `Error${index}`)];
    for (const error of [...errors, 'Error0']) metrics.countByError('FramesFailed', error);
    metrics.flush();
    metrics.countByError('FramesFailed', 'Error29');
    metrics.flush();
    const counts = metricsLines(lines).map((line) => [line['Error'], line['FramesFailed']]);
    expect(counts).toHaveLength(21);
    expect(counts).toContainEqual(['Error0', 2]);
    expect(counts).toContainEqual(['Other', 13]);
    expect(counts.at(-1)).toEqual(['Error29', 1]);
  });

  test('are of the application alone unless streams are asked for', () => {
    const { log, lines } = recorded(clock);
    const metrics = new Metrics({ log, clock, appName: 'test', perStream: () => false });
    metrics.count('Gaps', 'front');
    metrics.flush();
    expect(metricsLines(lines)).toHaveLength(1);
  });

  test('fit into one event of CloudWatch', () => {
    expect(Object.keys(METRICS).length).toBeLessThanOrEqual(100);
    const units = new Set(Object.values(METRICS));
    expect([...units].sort()).toEqual(['Bytes', 'Count', 'Milliseconds']);
    const name: MetricName = 'FramesSampled';
    expect(METRICS[name]).toBe('Count');
  });
});

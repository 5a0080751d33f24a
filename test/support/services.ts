import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Clock } from '../../src/core/clock.ts';
import { createLogger } from '../../src/core/log.ts';
import { Metrics } from '../../src/core/metrics.ts';

/** What an AWS client needs to talk to a local server. */
export function localClient(endpoint: string) {
  return {
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler(),
  };
}

/** Time passes as fast as anybody waits: each sleep ends at once and moves the clock on. */
export class HastyClock implements Clock {
  #elapsed = 0;
  readonly sleeps: number[] = [];

  now(): number {
    return 1_700_000_000_000 + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  async sleep(millis: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.sleeps.push(millis);
    this.#elapsed += millis;
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
  }
}

/** A log whose lines can be read, and metrics that write into it. */
export function recorded(clock: Clock) {
  const lines: Array<Record<string, unknown>> = [];
  const log = createLogger('debug', { write: (line: string) => void lines.push(JSON.parse(line)) });
  const metrics = new Metrics({ log, clock, appName: 'test', perStream: () => true });
  /** The sum of a metric over everything flushed so far; of one stream, or of all. */
  const total = (name: string, streamName?: string) => {
    metrics.flush();
    return lines
      .filter((line) => line['_aws'] !== undefined && line['Error'] === undefined)
      .filter((line) => line['StreamName'] === streamName)
      .reduce((sum, line) => sum + (typeof line[name] === 'number' ? line[name] : 0), 0);
  };
  return { log, lines, metrics, total };
}

import type { Clock } from '../../src/core/clock.ts';
import type { Logger } from '../../src/core/log.ts';
import type { Metrics } from '../../src/core/metrics.ts';
import type { SamplingPeriod, SamplingPlan } from '../../src/lease/sampling.ts';
import { TableProblems } from '../../src/lease/table-problems.ts';
import { StreamSampling, type StreamSamplingOptions } from '../../src/stream/sampling.ts';

/** Every Nth I-frame for one endpoint; with more numbers, for as many. */
export function everyNth(...intervals: number[]): SamplingPlan {
  return {
    endpoints: intervals.map((inferenceInterval, index) => ({
      name: `endpoint-${index + 1}`,
      acceptContentType: 'image/jpeg',
      inferenceInterval,
    })),
    namesEndpoints: intervals.length > 1,
  };
}

/** What is sampled of a stream whose lease takes every write; `leased` is what it has before. */
export function startSampling({
  streamName,
  leased = [],
  ...options
}: Partial<Pick<StreamSamplingOptions, 'record' | 'checkpoint'>> &
  Pick<StreamSamplingOptions, 'streamName' | 'wanted'> & {
    leased?: readonly SamplingPeriod[];
    clock: Clock;
    log: Logger;
    metrics: Metrics;
  }) {
  let periods = leased;
  const { record = async () => undefined } = options;
  const sampling = new StreamSampling({
    checkpoint: () => null,
    ...options,
    streamName,
    periods: () => periods,
    record: async (recorded, signal) => {
      await record(recorded, signal);
      periods = recorded;
    },
    problems: new TableProblems(options),
  });
  return { sampling, periods: () => periods };
}

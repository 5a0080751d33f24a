import { type Observation, reportLines, reportOf } from './report.ts';
import type { Sample } from './sample.ts';

const MIB = 2 ** 20;
const ROUNDS = 15;

/** @param leak listeners that are left behind in each round */
function observationOf(leak: number, more: Partial<Observation> = {}): Observation {
  const rounds = Array.from({ length: ROUNDS }, (_, round) => round);
  const sample = (round: number): Sample => ({
    ...{ rss: 200 * MIB, heapUsed: 30 * MIB, external: 5 * MIB, arrayBuffers: 4 * MIB, fileDescriptors: 50 },
    resources: { Timeout: 30, TCPSocketWrap: 9 },
    listeners: 100 + leak * round,
    holders: [{ target: 'AbortSignal', event: 'abort', count: 8 + leak * round }],
  });
  return {
    ...{ name: 'lossless', isLossless: true, ended: 'exit code 0', silentRounds: 0 },
    rss: rounds.map((round) => ({ millis: round * 1000, value: 200 * MIB })),
    rests: rounds.map((round) => ({ millis: round * 1000, sample: sample(round) })),
    counts: { ...NOTHING, ResultsPublished: 1000 },
    ...more,
  };
}

const NOTHING: Observation['counts'] = {
  ...{ ResultsPublished: 0, FramesDropped: 0, FramesFailed: 0, FramesHandedOver: 0, InvocationRetries: 0 },
  ...{ PublishRetries: 0, EndpointPauses: 0, Reconnects: 0, LeaseTableErrors: 0, LeasesLost: 0 },
  ...{ ConfigErrors: 0, Gaps: 0 },
};

test('a worker that holds the same from round to round is good', () => {
  const report = reportOf(observationOf(0));
  expect(report).toMatchObject({ isGood: true, failures: [] });
  expect(reportLines(report).filter((line) => line.includes('GROWS'))).toEqual([]);
});

test('listeners that are left behind are found, with who has them', () => {
  const report = reportOf(observationOf(2));
  expect(report.isGood).toBe(false);
  const lines = reportLines(report).join('\n');
  expect(lines).toContain(
    'listeners         start 100, halves 106 → 121, end 128, most 128; GROWS: 14 over the second half, tolerated 6',
  );
  expect(lines).toContain('AbortSignal "abort" 36');
});

test('a worker that fails is not good, however flat', () => {
  const counts = { ...NOTHING, FramesDropped: 3, FramesFailed: 1, Gaps: 2 };
  const failing = { counts, silentRounds: 1, ended: 'SIGKILL' };
  expect(reportOf(observationOf(0, failing)).failures).toEqual([
    'ended after SIGTERM with SIGKILL',
    'published nothing in 1 rounds',
    '1 frames failed',
    '3 frames dropped',
    '2 gaps',
  ]);
  // To live mode these belong.
  const live = reportOf(observationOf(0, { isLossless: false, counts }));
  expect(live.isGood).toBe(true);
});

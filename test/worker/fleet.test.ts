import { parseConfig } from '../../src/config/parse.ts';
import { Fleet } from '../../src/worker/fleet.ts';
import { FastClock } from '../stream/fast-clock.ts';
import { eventually } from '../support/eventually.ts';
import { startLeaseTable } from '../support/lease-table.ts';
import { recorded } from '../support/services.ts';

const { config } = parseConfig(
  JSON.stringify({
    streamNames: ['front'],
    sageMakerEndpoint: 'any',
    kdsStreamName: 'any',
    // Long for a real table, whose answers take no less time when the clock is fast.
    failoverTimeInMilli: 600_000,
    readStallTimeoutInMilli: 30_000,
  }),
);

test('a stream that can never be read grows older from tenure to tenure', async () => {
  if (config === null) throw new Error('not good');
  const local = await startLeaseTable();
  const clock = new FastClock(100);
  const observed = recorded(clock);
  const fleet = new Fleet({
    config: () => config,
    workerId: 'one',
    client: local.client,
    heartbeatClient: local.client,
    discover: async () => ({ streams: [{ streamName: 'front', streamArn: null }], isComplete: true }),
    wantedPlan: () => null,
    source: {
      open: async (_stream, _position, signal) =>
        await new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        }),
    },
    submit: async () => undefined,
    onTaken: () => undefined,
    beat: () => undefined,
    clock,
    ...observed,
  });
  const end = new AbortController();
  const running = fleet.run(end.signal);
  const takes = () =>
    observed.lines.filter(({ msg, streamName }) => msg === 'lease taken' && streamName === 'front').length;
  /** None while the lease is nobody's. */
  const age = () => {
    fleet.report();
    observed.metrics.flush();
    const line = observed.lines.findLast((each) => each['StreamName'] === 'front');
    return (line?.['NewestResultAge'] as number[] | undefined)?.[0];
  };
  await eventually(() => takes() >= 3);
  expect(age()).toBeGreaterThan(2 * 90_000 - 1000);
  end.abort();
  await running;
  await local.close();
});

import { KinesisVideo } from '@aws-sdk/client-kinesis-video';
import { systemClock as clock } from '../../src/core/clock.ts';
import { Closers } from '../../src/core/closers.ts';
import { retentionProblem } from '../../src/discovery/retention.ts';
import { RetentionCheck } from '../../src/discovery/retention-check.ts';
import { startKinesisVideo } from '../../src/emulator/kinesis-video/server.ts';
import { localClient, recorded } from '../support/services.ts';

test.each([
  [24, 1],
  [1, 1],
  [1, 0.5],
  [0, 0],
])('%d hours are enough for an outage of %d', (retention, outage) => {
  expect(retentionProblem('door', retention, outage)).toBeNull();
});

test.each([
  [0, 1, 'keeps its video for minutes only', 1],
  [0, 0.5, 'of an outage of 0.5 hours', 1],
  [1, 24, 'keeps its video for 1 hour:', 23],
  [2, 2.5, 'keeps its video for 2 hours:', 1],
])('%d hours are too few for an outage of %d: what to do', (retention, outage, text, missing) => {
  const problem = retentionProblem('door', retention, outage);
  expect(problem).toContain(text);
  expect(problem).toContain(
    `aws kinesisvideo update-data-retention --stream-name door --operation INCREASE_DATA_RETENTION --data-retention-change-in-hours ${missing} `,
  );
});

describe('the check', () => {
  const closers = new Closers();
  let kinesisVideo: KinesisVideo;
  let door: { streamName: string; streamArn: string };

  beforeAll(async () => {
    const server = closers.add(await startKinesisVideo({ clock }));
    kinesisVideo = new KinesisVideo(localClient(server.url));
    closers.defer(async () => kinesisVideo.destroy());
    door = { streamName: 'door', streamArn: server.createStream('door', { dataRetentionInHours: 0 }) };
  });

  afterAll(() => closers.close());

  function check(config: { mode: 'live' | 'lossless'; outageToSurviveInHours: number }) {
    const { log, lines } = recorded(clock);
    const retention = new RetentionCheck({ config: () => config, kinesisVideo, clock, log });
    const { signal } = new AbortController();
    const configure = async (change: Partial<typeof config>) => {
      Object.assign(config, change);
      await retention.configChanged();
    };
    return { lines, configure, check: (stream = door, tenure = signal) => retention.check(stream, tenure) };
  }

  async function setRetention(change: number): Promise<void> {
    const { StreamInfo } = await kinesisVideo.describeStream({ StreamName: 'door' });
    await kinesisVideo.updateDataRetention({
      StreamName: 'door',
      CurrentVersion: StreamInfo?.Version ?? '',
      Operation: change > 0 ? 'INCREASE_DATA_RETENTION' : 'DECREASE_DATA_RETENTION',
      DataRetentionChangeInHours: Math.abs(change),
    });
  }

  test('warns once, and again when it has changed', async () => {
    const run = check({ mode: 'lossless', outageToSurviveInHours: 4 });
    await run.check();
    await run.check();
    expect(run.lines).toEqual([
      expect.objectContaining({
        level: 'warn',
        streamName: 'door',
        dataRetentionInHours: 0,
        outageToSurviveInHours: 4,
        msg: expect.stringContaining('--data-retention-change-in-hours 4 '),
      }),
    ]);
    await setRetention(2);
    await run.check();
    expect(run.lines.at(-1)).toMatchObject({ level: 'warn', dataRetentionInHours: 2 });
    await setRetention(2);
    await run.check();
    expect(run.lines).toHaveLength(2);
    await setRetention(-4);
    await run.check();
    expect(run.lines).toHaveLength(3);
  });

  test.each([
    ['live mode', { mode: 'live', outageToSurviveInHours: 1 }],
    ['no outage', { mode: 'lossless', outageToSurviveInHours: 0 }],
  ] as const)('asks for nothing with %s', async (_name, config) => {
    const run = check(config);
    await run.check({ streamName: 'nowhere', streamArn: '' });
    expect(run.lines).toEqual([]);
  });

  test('a change of the configuration is looked at for every stream that is read', async () => {
    const run = check({ mode: 'live', outageToSurviveInHours: 3 });
    const tenure = new AbortController();
    await run.check(door, tenure.signal);
    expect(run.lines).toEqual([]);
    await run.configure({ mode: 'lossless' });
    expect(run.lines).toMatchObject([{ level: 'warn', outageToSurviveInHours: 3 }]);
    await run.configure({ outageToSurviveInHours: 5 });
    expect(run.lines).toMatchObject([{}, { level: 'warn', outageToSurviveInHours: 5 }]);
    await run.configure({});
    await run.configure({ outageToSurviveInHours: 0 });
    expect(run.lines).toHaveLength(2);
    tenure.abort();
    await run.configure({ outageToSurviveInHours: 7 });
    expect(run.lines).toHaveLength(2);
    await run.check(door);
    expect(run.lines).toHaveLength(3);
  });

  test('a stream that cannot be asked for is no trouble', async () => {
    const run = check({ mode: 'lossless', outageToSurviveInHours: 1 });
    await run.check({ streamName: 'nowhere', streamArn: door.streamArn.replace('door', 'nowhere') });
    expect(run.lines).toEqual([
      expect.objectContaining({ level: 'debug', error: 'ResourceNotFoundException' }),
    ]);
  });
});

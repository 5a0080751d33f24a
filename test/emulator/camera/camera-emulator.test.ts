import { setImmediate } from 'node:timers/promises';
import { KinesisVideo } from '@aws-sdk/client-kinesis-video';
import { pino } from 'pino';
import { systemClock } from '../../../src/core/clock.ts';
import { startCamera } from '../../../src/emulator/camera/camera.ts';
import type { VideoSource } from '../../../src/emulator/camera/video-source.ts';
import { startKinesisVideo } from '../../../src/emulator/kinesis-video/server.ts';

/** Fragments of 20 ms, so that nothing takes long. */
const source: VideoSource = {
  track: { codecId: 'V_MPEGH/ISO/HEVC', codecPrivate: Buffer.of(1), pixelWidth: 64, pixelHeight: 64 },
  async *[Symbol.asyncIterator]() {
    for (;;) {
      const frame = { keyFrame: true, payload: Buffer.from('frame') };
      yield {
        durationMillis: 20,
        frames: [
          { ...frame, offsetMillis: 0 },
          { ...frame, offsetMillis: 10 },
        ],
      };
    }
  },
  close: async () => {},
};

test('streams into the emulator, through the AWS SDK', async () => {
  const emulator = await startKinesisVideo({ clock: systemClock });
  const api = new KinesisVideo({
    endpoint: emulator.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
  });
  const end = new AbortController();
  try {
    const log = pino({ enabled: false });
    const camera = startCamera({
      api,
      streamName: 'new',
      source,
      clock: systemClock,
      log,
      signal: end.signal,
    });
    while (camera.fragmentsPersisted < 3) await setImmediate();
    end.abort();
    await camera.closed;

    const { StreamInfo: stream } = await api.describeStream({ StreamName: 'new' });
    expect(stream).toMatchObject({ MediaType: 'video/h265', DataRetentionInHours: 24 });
    const fragments = emulator.fragments('new');
    expect(fragments).toHaveLength(camera.fragmentsPersisted);
    const [first] = fragments;
    expect(
      fragments.map(({ producerTimestampMillis: millis }) => millis - (first?.producerTimestampMillis ?? 0)),
    ).toEqual(fragments.map((_, index) => index * 20));
    expect(emulator.connections('new').putMedia).toBe(0);
  } finally {
    end.abort();
    api.destroy();
    await emulator.close();
  }
});

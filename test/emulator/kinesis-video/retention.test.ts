import {
  type KinesisVideoEmulator,
  type KinesisVideoOptions,
  startKinesisVideo,
} from '../../../src/emulator/kinesis-video/server.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { produce } from './producer.ts';
import { getMedia, numbers, readBody } from './reader.ts';

const HOUR = 3_600_000;

let clock: ManualClock;
let emulator: KinesisVideoEmulator;

async function start(options: Partial<KinesisVideoOptions>): Promise<void> {
  clock = new ManualClock();
  emulator = await startKinesisVideo({ clock, ...options });
}

afterEach(() => emulator.close());

const timecodes = (streamName: string) =>
  emulator.fragments(streamName).map(({ timecodeMillis }) => timecodeMillis);

test('a stream keeps a number of fragments', async () => {
  await start({ retention: { fragments: 2 } });
  emulator.createStream('door');
  await produce(emulator.url, 'door', [1000, 2000, 3000]);
  expect(timecodes('door')).toEqual([2000, 3000]);
});

test('fragments are kept for a time', async () => {
  await start({ retention: { millis: 10_000 } });
  emulator.createStream('door');
  await produce(emulator.url, 'door', [1000]);
  clock.advance(6000);
  await produce(emulator.url, 'door', [2000]);
  clock.advance(4000);
  expect(timecodes('door')).toEqual([1000, 2000]);
  clock.advance(1);
  expect(timecodes('door')).toEqual([2000]);
});

test('a stream’s own data retention counts too, unless it is 0', async () => {
  await start({});
  emulator.createStream('short', { dataRetentionInHours: 1 });
  emulator.createStream('long', { dataRetentionInHours: 2 });
  await produce(emulator.url, 'short', [1000]);
  await produce(emulator.url, 'long', [1000]);
  clock.advance(HOUR + 1);
  expect(timecodes('short')).toEqual([]);
  expect(timecodes('long')).toEqual([1000]);
});

test('all streams together keep a number of bytes: the oldest fragments go first', async () => {
  await start({ retention: { bytes: 3000 } });
  emulator.createStream('door');
  emulator.createStream('yard');
  const payload = Buffer.alloc(700);
  for (const [streamName, timecode] of [
    ['door', 1],
    ['yard', 2],
    ['door', 3],
    ['yard', 4],
  ] as const) {
    await produce(emulator.url, streamName, [timecode], payload);
    clock.advance(1);
  }
  expect(timecodes('door')).toEqual([3]);
  expect(timecodes('yard')).toEqual([2, 4]);
});

test('after a fragment that is no longer kept nothing can be read on; EARLIEST still can', async () => {
  await start({ retention: { fragments: 2 } });
  emulator.createStream('door');
  const stored = await produce(emulator.url, 'door', [1000, 2000, 3000]);
  const gone = { StartSelectorType: 'FRAGMENT_NUMBER', AfterFragmentNumber: stored[0] };
  expect(await readBody(await getMedia(emulator.url, 'door', gone))).toMatchObject({ errors: ['4000'] });

  const earliest = await getMedia(emulator.url, 'door', { StartSelectorType: 'EARLIEST' });
  clock.advance(3000);
  const { fragments, errors } = await readBody(earliest);
  expect(errors).toEqual([]);
  expect(numbers(fragments)).toEqual(stored.slice(1));
});

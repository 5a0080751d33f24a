import { systemClock } from '../../../src/core/clock.ts';
import { startKinesisVideo } from '../../../src/emulator/kinesis-video/server.ts';
import { eventually } from '../../support/eventually.ts';
import { cluster, ProducerConnection, produce, streamHeader } from './producer.ts';
import { getMedia, readAll } from './reader.ts';

const handles = () =>
  process.getActiveResourcesInfo().filter((name) => /^(TCP|Timeout|Immediate)/.test(name)).length;

test('close cuts every connection at once and leaves no handle', async () => {
  const before = handles();
  const emulator = await startKinesisVideo({ clock: systemClock });
  emulator.createStream('door');
  const waiting = await getMedia(emulator.url, 'door', { StartSelectorType: 'NOW' });
  const unread = await getMedia(emulator.url, 'door', { StartSelectorType: 'EARLIEST' });
  const producer = await ProducerConnection.open(emulator.url, 'door');
  producer.send(streamHeader(), cluster(1000));
  await producer.ack();
  const refused = await ProducerConnection.open(emulator.url, 'door');
  refused.send(Buffer.from('not Matroska'));
  await refused.remaining();
  await produce(emulator.url, 'door', [1000, 2000, 3000], Buffer.alloc(8 * 1024 * 1024));
  expect(emulator.connections('door')).toMatchObject({ getMedia: 2 });

  await emulator.close();

  await expect(readAll(waiting)).rejects.toThrow('aborted');
  await expect(readAll(unread)).rejects.toThrow('aborted');
  await eventually(() => handles() <= before);
});

test('a port that is taken is refused', async () => {
  const emulator = await startKinesisVideo({ clock: systemClock });
  const port = Number(new URL(emulator.url).port);
  await expect(startKinesisVideo({ clock: systemClock, port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await emulator.close();
});

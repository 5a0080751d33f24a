import { Closers } from '../../src/core/closers.ts';
import { mediaFrom, startHttpProxy } from '../chaos/proxy.ts';
import { serve } from '../support/http-server.ts';
import { openClip } from '../support/local-services.ts';
import { Random } from '../support/random.ts';
import { startEndlessMedia } from './endless-media.ts';
import { startLocal, until, type WorkerUnderTest } from './local.ts';
import { peakResidentBytes, TELLS_PEAKS } from './peak-memory.ts';

const MIB = 2 ** 20;
const TASK_MIB = 2048;
const QUEUE_BYTES = (TASK_MIB / 4) * MIB;
const STREAMS = Array.from({ length: 50 }, (_, index) => `camera-${index + 1}`);
const CLIP = { width: 1920, height: 1080, frames: 4, frameRate: 10, gop: 2 };

if (!TELLS_PEAKS) process.stderr.write('no /proc/PID/status: the peak of memory is not tested\n');

(TELLS_PEAKS ? test : test.skip)(
  'in a task of 2 GiB, 50 streams of 1080p and an endpoint that never answers take less than 1 GiB',
  async () => {
    const closers = new Closers();
    try {
      const source = closers.add(await openClip(CLIP));
      const { value: fragment } = await source[Symbol.asyncIterator]().next();
      if (fragment === undefined) throw new Error('no video');
      const keyFrames = fragment.frames.filter(({ keyFrame }) => keyFrame);
      const sizes = keyFrames.map(({ payload }) => payload.length);
      const largest = Math.max(...sizes);
      expect(Math.min(...sizes)).toBeGreaterThan(100_000);
      expect(largest).toBeLessThan(400_000);

      const local = closers.add(await startLocal({ streams: [], endpoint: () => ({ trouble: 'hang' }) }));
      for (const name of STREAMS) local.cluster.createStream(name);
      const media = closers.add(await startEndlessMedia(source.track, fragment));
      const kinesisVideo = closers.add(
        await startHttpProxy({
          target: local.env['AWS_ENDPOINT_URL_KINESIS_VIDEO'] ?? '',
          random: new Random(1),
          rewrite: mediaFrom(media.url),
        }),
      );
      const task = closers.add(
        await serve(() => ({ body: JSON.stringify({ Limits: { CPU: 1, Memory: TASK_MIB } }) })),
      );
      const application = await local.addApplication('memory', {
        streamNames: STREAMS,
        inferenceInterval: 1,
        metricsIntervalInMilli: 250,
        readStallTimeoutInMilli: 3000,
        sageMakerTaskTimeoutInMilli: 3000,
      });
      const worker = application.startWorker({
        AWS_ENDPOINT_URL_KINESIS_VIDEO: kinesisVideo.url,
        ECS_CONTAINER_METADATA_URI_V4: task.url,
      });
      const isBlocked = () => blockedStreams(worker).size === STREAMS.length;
      await until('every reader is blocked by the full queue', isBlocked, 90_000);
      const isDown = () => worker.said('endpoint is down').length > 0;
      await until('the endpoint is down', isDown);

      const [limit] = worker.said('memory limit');
      expect(limit).toMatchObject({ memoryLimit: TASK_MIB * MIB, source: `${task.url}/task` });
      const held = Math.max(...worker.observed('QueueBytes'));
      // The next frame would not have fitted.
      expect(held).toBeGreaterThan(QUEUE_BYTES - largest);
      expect(held).toBeLessThanOrEqual(QUEUE_BYTES);
      expect(peakResidentBytes(worker.pid)).toBeLessThan(1024 * MIB);
      expect(await worker.kill('SIGTERM')).toBe(0);
    } finally {
      await closers.close();
    }
  },
  150_000,
);

/** Those whose connection was closed because the queue had no room for its next frame. */
function blockedStreams(worker: WorkerUnderTest): Set<unknown> {
  const lines = worker.said('queue is full: connection closed until it has room');
  return new Set(lines.map(({ streamName }) => streamName));
}

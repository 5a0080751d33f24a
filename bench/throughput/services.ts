import { setTimeout as delay } from 'node:timers/promises';
import { Closers } from '../../src/core/closers.ts';
import { mediaFrom, startHttpProxy } from '../../test/chaos/proxy.ts';
import { startEndlessMedia } from '../../test/e2e/endless-media.ts';
import { startLocal } from '../../test/e2e/local.ts';
import { DETECTION } from '../../test/support/local-services.ts';
import { makeVideo } from '../../test/support/media.ts';
import { Random } from '../../test/support/random.ts';
import { framesOf, trackOf } from '../media/get-media-body.ts';
import { startDataStream } from '../publish/data-stream.ts';

/** How long the endpoint takes, milliseconds. */
export const SERVICE_MILLIS = 50;
export const WIDTH = 160;
export const HEIGHT = 120;
const FRAME_RATE = 30;
const FRAGMENT_MILLIS = 1000;

export type Services = Awaited<ReturnType<typeof startServices>>;

/** An endpoint that answers all calls after the same time, and streams of small key frames that never end. */
export async function startServices() {
  const closers = new Closers();
  try {
    const size = { width: WIDTH, height: HEIGHT };
    const clip = await makeVideo({
      ...size,
      codec: 'h264',
      frames: FRAME_RATE,
      frameRate: FRAME_RATE,
      gop: 1,
    });
    const [track, frames] = [trackOf(clip), framesOf(clip)];
    const [keyFrame] = frames;
    if (keyFrame === undefined) throw new Error('no video');
    let answered = 0;
    const local = closers.add(
      await startLocal({
        streams: [],
        distFolder: 'dist',
        endpoint: async () => {
          await delay(SERVICE_MILLIS);
          answered += 1;
          return DETECTION;
        },
      }),
    );
    const dataStream = closers.add(await startDataStream());
    const media = closers.add(await startEndlessMedia(track, { durationMillis: FRAGMENT_MILLIS, frames }));
    const kinesisVideo = closers.add(
      await startHttpProxy({
        target: local.env['AWS_ENDPOINT_URL_KINESIS_VIDEO'] ?? '',
        random: new Random(1),
        rewrite: mediaFrom(media.url),
      }),
    );
    return {
      local,
      dataStream,
      keyFrame: { codecPrivate: track.codecPrivate ?? Buffer.alloc(0), payload: keyFrame.payload },
      endpointUrl: local.sageMaker.url,
      env: {
        AWS_ENDPOINT_URL_KINESIS_VIDEO: kinesisVideo.url,
        AWS_ENDPOINT_URL_KINESIS: dataStream.url,
      },
      /** Calls of the endpoint so far. */
      answered: () => answered,
      close: () => closers.close(),
    };
  } catch (error) {
    await closers.close();
    throw error;
  }
}

import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { clusterStart, frameBlock, streamHeader } from '../../src/emulator/camera/matroska-stream.ts';
import type { CameraTrack, SourceFragment } from '../../src/emulator/camera/video-source.ts';
import { write } from '../../src/emulator/kinesis-video/connection.ts';
import { fragmentPieces } from '../../src/emulator/kinesis-video/media-body.ts';
import { listenOnLoopback } from '../support/loopback.ts';

/**
 * GetMedia of streams without end, as fast as each is read: what a long outage has left to be read; or, `live`, each
 * fragment when it is over. Every fragment of every stream has the same bytes, which are in memory once.
 *
 * @returns the data endpoint
 */
export async function startEndlessMedia(
  track: CameraTrack,
  { durationMillis, frames }: SourceFragment,
  { live = false } = {},
) {
  const startMillis = Date.now();
  const fragment = {
    timecodeMillis: startMillis,
    header: streamHeader(track, randomBytes(16)),
    content: Buffer.concat([clusterStart(startMillis), ...frames.map(frameBlock)]),
  };
  /** @param number from 1 */
  const numbered = (number: bigint) => {
    const millis = startMillis + (Number(number) - 1) * durationMillis;
    const end = millis + durationMillis;
    return {
      ...fragment,
      fragmentNumber: String(number),
      serverTimestampMillis: millis,
      serverEndMillis: end,
      producerTimestampMillis: millis,
      producerEndMillis: end,
    };
  };
  const send = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const chunk of incoming.setEncoding('utf8')) body += chunk;
    const { AfterFragmentNumber = '0' } = JSON.parse(body).StartSelector;
    response.writeHead(200, { 'content-type': 'video/webm' });
    for (let number = BigInt(AfterFragmentNumber) + 1n; ; number += 1n) {
      const fragmentNow = numbered(number);
      if (live) await delay(fragmentNow.serverEndMillis - Date.now());
      for (const piece of fragmentPieces(fragmentNow, Date.now)) {
        if (!(await write(response, piece))) return;
      }
    }
  };
  const server = createServer((incoming, response) => {
    send(incoming, response).catch(() => response.destroy());
  });
  return await listenOnLoopback(server);
}

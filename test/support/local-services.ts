import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateStreamCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  ListShardsCommand,
  waitUntilStreamExists,
} from '@aws-sdk/client-kinesis';
import { openVideoSource } from '../../src/emulator/camera/open-video-source.ts';
import type { VideoSource } from '../../src/emulator/camera/video-source.ts';
import type { ResultRecord } from '../../src/result/record.ts';
import type { Answer } from './http-server.ts';
import { makeVideo, type VideoOptions } from './media.ts';

/** What an endpoint answers that sees a person. */
export const DETECTION: Answer = {
  headers: { 'content-type': 'application/json' },
  body: '{"prediction":[[0,0.9,0.1,0.1,0.5,0.5]]}',
};

/** A fragment a second with three I-frames: where every second is sampled, each fragment depends on the one before. */
export async function openShortVideo(): Promise<VideoSource> {
  return await openClip({ width: 64, height: 64, frames: 30, frameRate: 15, gop: 5 });
}

/** For cameras to show over and over: as many as there are share what is kept of it. */
export async function openClip(options: VideoOptions): Promise<VideoSource> {
  const directory = await mkdtemp(join(tmpdir(), 'kvs-inference-test-'));
  try {
    const file = join(directory, 'clip.mkv');
    const { bytes } = await makeVideo(options);
    await writeFile(file, bytes);
    return await openVideoSource(file);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Resolves when the data stream can be used. */
export async function createDataStream(
  kinesis: KinesisClient,
  StreamName: string,
  abortSignal: AbortSignal = new AbortController().signal,
): Promise<void> {
  await kinesis.send(new CreateStreamCommand({ StreamName, ShardCount: 1 }));
  const waiter = { client: kinesis, maxWaitTime: 10, minDelay: 1, maxDelay: 1, abortSignal };
  await waitUntilStreamExists(waiter, { StreamName });
}

/** Everything in a data stream. */
export async function readResults(kinesis: KinesisClient, StreamName: string): Promise<ResultRecord[]> {
  const results: ResultRecord[] = [];
  const { Shards = [] } = await kinesis.send(new ListShardsCommand({ StreamName }));
  for (const { ShardId } of Shards) {
    const from = { StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' } as const;
    let { ShardIterator } = await kinesis.send(new GetShardIteratorCommand(from));
    while (ShardIterator !== undefined) {
      const answer = await kinesis.send(new GetRecordsCommand({ ShardIterator }));
      const { Records = [], NextShardIterator } = answer;
      if (Records.length === 0) break;
      for (const { Data } of Records) results.push(JSON.parse(Buffer.from(Data ?? []).toString()));
      ShardIterator = NextShardIterator;
    }
  }
  return results;
}

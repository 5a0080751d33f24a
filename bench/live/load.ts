import { setTimeout as delay } from 'node:timers/promises';
import type { MetricName } from '../../src/core/metric-names.ts';
import { cpuSecondsOf, memoryOf, resetPeak } from '../harness/process-usage.ts';
import { cameraClip, FRAME_RATE } from '../media/camera-clip.ts';
import { framesOf, trackOf } from '../media/get-media-body.ts';
import type { Clip } from './cameras.ts';
import { type Picture, type RigOptions, startRig } from './rig.ts';
import type { Passage } from './services.ts';

interface LoadOptions extends RigOptions {
  /** Before the first window, when all streams are read: code is compiled, memory comes to its size. */
  readonly settlingMillis: number;
  readonly windows: number;
  readonly windowMillis: number;
  /** Awaited after each window, with the worker going on: what a window is compared with is to suffer the same. */
  readonly afterWindow?: () => Promise<void>;
  /** For how long the streams are read with nothing but Node.js at the end; 0: not at all. */
  readonly readOnlyMillis: number;
}

/** What a worker has done and used, one value for each window where there are several. */
export interface LoadResult {
  /** CPU seconds of the worker for each second of a stream. */
  readonly cpuPerStream: readonly number[];
  /** The same of a program that reads the bytes and drops them; null where it did not run. */
  readonly readingPerStream: number | null;
  /** CPU seconds of the emulator for each second. */
  readonly emulatorCpu: number;
  /** Bytes, at the end. */
  readonly residentBytes: number;
  readonly peakBytes: number;
  /** Of GetMedia's bodies, bytes, and of what was sampled: of a stream, for each second. */
  readonly bytesPerStream: number;
  readonly resultsPerStream: number;
  /** By window; those between two windows are with the later one. */
  readonly passages: readonly (readonly Passage[])[];
  /** See `timesPictures`; also those of before and after. */
  readonly pictures: readonly Picture[];
}

export async function h264Clip(size: { width: number; height: number }): Promise<Clip> {
  const video = await cameraClip({ codec: 'h264', ...size });
  return { track: trackOf(video), frames: framesOf(video), frameMillis: 1000 / FRAME_RATE };
}

/**
 * One worker under one load.
 *
 * @throws {Error} if it has not done all of the work, or has warned of something
 */
export async function measureLoad(options: LoadOptions): Promise<LoadResult> {
  const { streams, inferenceInterval, settlingMillis, windows, windowMillis, afterWindow, signal } = options;
  const rig = await startRig(options);
  try {
    await delay(settlingMillis, null, { signal });
    resetPeak(rig.workerPid);
    const emulatorBefore = cpuSecondsOf(rig.emulatorPid);
    // Those of before belong to no window.
    await rig.ask('passages');
    const before = await rig.ask('counts');
    const since = performance.now();
    const cpuPerStream: number[] = [];
    const passages: Passage[][] = [];
    for (let window = 0; window < windows; window += 1) {
      const [cpuBefore, start] = [cpuSecondsOf(rig.workerPid), performance.now()];
      await delay(windowMillis, null, { signal });
      const seconds = (performance.now() - start) / 1000;
      cpuPerStream.push((cpuSecondsOf(rig.workerPid) - cpuBefore) / seconds / streams);
      passages.push(await rig.ask('passages'));
      await afterWindow?.();
    }
    const memory = memoryOf(rig.workerPid);
    const after = await rig.ask('counts');
    const seconds = (performance.now() - since) / 1000;
    const emulatorCpu = (cpuSecondsOf(rig.emulatorPid) - emulatorBefore) / seconds;
    const sums = await rig.end();
    const pictures = await rig.pictures();

    const { readOnlyMillis } = options;
    const readingPerStream = readOnlyMillis === 0 ? null : await rig.readOnly(readOnlyMillis);
    checkWork(sums, { streams, inferenceInterval, fragments: after.fragments });
    return {
      cpuPerStream,
      readingPerStream,
      emulatorCpu,
      ...memory,
      bytesPerStream: (after.bytes - before.bytes) / seconds / streams,
      resultsPerStream: (after.records - before.records) / seconds / streams,
      passages,
      pictures,
    };
  } finally {
    await rig.close();
  }
}

/**
 * @param sums of the worker's metrics
 * @param sent how many whole fragments the cameras had sent before the worker was ended
 */
function checkWork(
  sums: ReadonlyMap<MetricName, number>,
  sent: { streams: number; inferenceInterval: number; fragments: number },
): void {
  const sum = (name: MetricName) => sums.get(name) ?? 0;
  // Each stream may have one more under way.
  if (sent.fragments - sum('FragmentsReceived') > sent.streams) {
    throw new Error(`${sent.fragments} fragments sent, but ${sum('FragmentsReceived')} received`);
  }
  const sampled = sum('FramesSampled');
  const excess = sampled - sum('IFramesReceived') / sent.inferenceInterval;
  if (excess < 0 || excess > 2 * sent.streams) {
    throw new Error(`${sampled} frames sampled of ${sum('IFramesReceived')}`);
  }
  // What the end comes upon is left to the next worker.
  if (sum('ResultsPublished') + sum('FramesHandedOver') !== sampled) {
    throw new Error(`${sampled} frames sampled, but ${sum('ResultsPublished')} results published`);
  }
}

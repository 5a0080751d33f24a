import { EBML_HEADER, tagsElement, unknownSizeHeader } from '../../src/emulator/matroska-writer.ts';
import { type Checkpoint, CheckpointTracker } from '../../src/lease/checkpoint.ts';
import type { StartPosition } from '../../src/lease/lease.ts';
import type { SamplingPlan } from '../../src/lease/sampling.ts';
import { ElementId } from '../../src/matroska/elements.ts';
import { StreamConsumer } from '../../src/stream/consumer.ts';
import type { SampledFrame, Tenure } from '../../src/stream/sampled-frame.ts';
import type { MediaSource, ReadPosition, StreamReference } from '../../src/stream/source.ts';
import { StreamAges } from '../../src/stream/stream-ages.ts';
import { block, getMediaFragment } from '../support/matroska.ts';
import { bodyOf } from '../support/media-body.ts';
import { everyNth, startSampling } from '../support/sampling.ts';
import { HastyClock, recorded } from '../support/services.ts';
import { lasting } from '../support/tenure.ts';

export const ARN = 'arn:aws:kinesisvideo:us-east-1:123456789012:stream/front/1700000000000';

/** A fragment with two I-frames, a second apart from the next. */
export function fragment(
  number: number,
  options: { withoutTrailer?: boolean; millisBehindNow?: string } = {},
): Buffer {
  const content = [block(0, true, `${number}/0`), block(40, false, 'delta'), block(80, true, `${number}/2`)];
  return getMediaFragment({
    number: String(number),
    serverSeconds: String(1000 + number),
    content,
    ...options,
  });
}

export const streamError = (code: string) =>
  Buffer.concat([
    EBML_HEADER,
    unknownSizeHeader(ElementId.Segment),
    tagsElement({ AWS_KINESISVIDEO_ERROR_CODE: code, AWS_KINESISVIDEO_ERROR_ID: code }),
  ]);

const READ_STALL_TIMEOUT_MILLIS = 3_600_000;

/** When the fragment 0 was, wall clock. */
const EPOCH_MILLIS = 1_000_000;

/** The waits between bodies pass at once; no connection lasts long enough for its watchdog. */
class ReadingClock extends HastyClock {
  #advanced = 0;
  /** Watchdogs that wait. */
  watching = 0;

  advance(millis: number): void {
    this.#advanced += millis;
  }

  override now(): number {
    return EPOCH_MILLIS + this.monotonic();
  }

  override monotonic(): number {
    return super.monotonic() + this.#advanced;
  }

  override async sleep(millis: number, signal?: AbortSignal): Promise<void> {
    if (millis < READ_STALL_TIMEOUT_MILLIS) return super.sleep(millis, signal);
    this.watching += 1;
    await new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    }).finally(() => {
      this.watching -= 1;
    });
  }
}

/** What a body is made of: bytes, milliseconds that pass, an error that cuts it. */
export type Body = Array<Buffer | number | Error>;

interface Reading {
  bodies: Array<Body | Error>;
  interval?: number;
  /** Stands in for `interval`. */
  plan?: () => SamplingPlan | null;
  /** Milliseconds, of each body in turn, the last one's from then on; 0 unless told. */
  maxFrameAge?: number | readonly number[];
  /** When it is read: so many milliseconds after the fragment 0. */
  at?: number;
  start?: StartPosition;
  startPosition?: StartPosition;
  checkpoint?: Checkpoint;
  tenure?: Tenure;
  submit?: (frame: SampledFrame, clock: ReadingClock) => Promise<void>;
}

/** Reads the bodies one after the other, then stops. */
export async function read({
  bodies,
  interval = 1,
  plan = () => everyNth(interval),
  maxFrameAge = 0,
  at = 0,
  start = { type: 'EARLIEST' },
  startPosition = { type: 'EARLIEST' },
  checkpoint,
  tenure = lasting,
  submit,
}: Reading) {
  const clock = new ReadingClock();
  clock.advance(at);
  const observed = recorded(clock);
  const { sampling } = startSampling({ streamName: 'front', wanted: plan, clock, ...observed });
  const tracker = new CheckpointTracker(checkpoint ?? null);
  const ages = new StreamAges({ streamName: 'front', start, tracker, clock, ...observed });
  const stop = new AbortController();
  const positions: ReadPosition[] = [];
  const streams: StreamReference[] = [];
  const stalls: number[] = [];
  const stallsWhileSubmitting: number[] = [];
  const submitted: SampledFrame[] = [];
  const source: MediaSource = {
    open: async (stream, position) => {
      const body = bodies[positions.length];
      streams.push(stream);
      stalls.push(consumer.stalledMillis);
      positions.push(position);
      if (body === undefined) stop.abort();
      if (body instanceof Error) throw body;
      const chunks = async function* () {
        for (const part of body ?? []) {
          if (part instanceof Error) throw part;
          if (typeof part === 'number') clock.advance(part);
          else yield part;
        }
      };
      return bodyOf(chunks());
    },
  };
  const consumer = new StreamConsumer({
    streamName: 'front',
    streamArn: ARN,
    start,
    startPosition: () => startPosition,
    tracker,
    tenure,
    settings: () => ({
      readStallTimeoutMillis: READ_STALL_TIMEOUT_MILLIS,
      maxFrameAgeMillis: [maxFrameAge].flat()[positions.length] ?? [maxFrameAge].flat().at(-1) ?? 0,
    }),
    sampling,
    ages,
    source,
    submit: async (frame) => {
      submitted.push(frame);
      await submit?.(frame, clock);
      stallsWhileSubmitting.push(consumer.stalledMillis);
    },
    clock,
    ...observed,
  });
  await consumer.run(stop.signal);
  const ids = submitted.map(({ id }) => id);
  const seen = { ids, submitted, positions, streams, stalls, stallsWhileSubmitting };
  return { ...seen, ages, tracker, clock, ...observed };
}

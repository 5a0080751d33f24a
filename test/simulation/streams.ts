import type { WantedStream } from '../../src/lease/reconcile.ts';
import type { SamplingPlan } from '../../src/lease/sampling.ts';
import { frameId } from '../../src/stream/sampled-frame.ts';
import type { ReadPosition, StreamReference } from '../../src/stream/source.ts';
import { block, getMediaFragment } from '../support/matroska.ts';
import { bodyOf } from '../support/media-body.ts';
import type { Random } from '../support/random.ts';
import { EPOCH_MILLIS, type Machine, type VirtualTime } from './time.ts';

export interface SimulatedStreamsOptions {
  time: VirtualTime;
  random: Random;
  count: number;
  /** True milliseconds between two fragments of a stream. */
  periodMillis: number;
  /** No fragments come before this, true milliseconds; 0 unless told. */
  fromMillis?: number;
  /** No fragments come after this, true milliseconds. */
  untilMillis: number;
  /** I-frames that a fragment has at the most; 2 unless told. */
  maxIFrames?: number;
}

interface SimulatedStream {
  /** When its first fragment begins, true milliseconds. */
  readonly fromMillis: number;
  /** I-frames of each fragment. */
  readonly iFrames: readonly number[];
}

/** Deltas and key frames alternate: the index of a frame is not that of an I-frame. */
const FRAMES_PER_I_FRAME = 2;

/** Streams whose fragments come in virtual time and are stored for ever, read as GetMedia reads. */
export class SimulatedStreams {
  readonly #options: SimulatedStreamsOptions;
  readonly #streams = new Map<string, SimulatedStream>();

  constructor(options: SimulatedStreamsOptions) {
    const { count, fromMillis = 0, maxIFrames = 2, periodMillis, random, untilMillis } = options;
    this.#options = options;
    for (let index = 0; index < count; index += 1) {
      const firstMillis = fromMillis + random.between(0, periodMillis);
      const fragments = Math.max(0, Math.floor((untilMillis - firstMillis) / periodMillis));
      const iFrames = Array.from({ length: fragments }, () => random.integer(0, maxIFrames));
      this.#streams.set(`stream-${String(index).padStart(4, '0')}`, { fromMillis: firstMillis, iFrames });
    }
  }

  /** What discovery finds. */
  get wanted(): WantedStream[] {
    return [...this.#streams.keys()].map((streamName) => ({
      streamName,
      streamArn: `arn:aws:kinesisvideo:us-east-1:123456789012:stream/${streamName}/${EPOCH_MILLIS}`,
    }));
  }

  /**
   * The id of every result that is to be published, of all streams.
   *
   * @param planOf tells by which plan a fragment of a stream is sampled
   */
  dueIds(planOf: (streamName: string, fragmentNumber: string) => SamplingPlan): Set<string> {
    const due = new Set<string>();
    for (const [name, { iFrames }] of this.#streams) {
      let counter = 0;
      for (const [index, count] of iFrames.entries()) {
        const fragmentNumber = numberOf(index);
        const { endpoints, namesEndpoints } = planOf(name, fragmentNumber);
        for (let iFrame = 0; iFrame < count; iFrame += 1) {
          for (const { name: endpoint, inferenceInterval } of endpoints) {
            if (counter % inferenceInterval > 0) continue;
            const frameIndex = iFrame * FRAMES_PER_I_FRAME;
            due.add(frameId(name, fragmentNumber, frameIndex, namesEndpoints ? endpoint : undefined));
          }
          counter += 1;
        }
      }
    }
    return due;
  }

  lastFragmentNumber(name: string): string | null {
    const count = this.#streams.get(name)?.iFrames.length ?? 0;
    return count === 0 ? null : numberOf(count - 1);
  }

  /** What takes the place of GetMedia on a machine. Bodies end cleanly, or are cut, now and then. */
  source(machine: Machine) {
    return {
      open: async ({ streamName }: StreamReference, position: ReadPosition, signal: AbortSignal) => {
        await this.#latency(machine, signal);
        return bodyOf(this.#body(machine, streamName, position, signal));
      },
    };
  }

  async *#body(machine: Machine, name: string, position: ReadPosition, signal: AbortSignal) {
    const { random, time, periodMillis } = this.#options;
    const stream = this.#streams.get(name);
    if (stream === undefined) throw Object.assign(new Error(name), { name: 'ResourceNotFoundException' });
    const { fromMillis, iFrames } = stream;
    let next = position.type === 'AFTER_FRAGMENT' ? indexOf(position.fragmentNumber) + 1 : 0;
    for (let left = random.integer(1, 40); left > 0; left -= 1, next += 1) {
      const storedAt = fromMillis + (next + 1) * periodMillis;
      // As the service does: a body with nothing to send ends after three seconds.
      const hasMore = next < iFrames.length;
      if (!hasMore) {
        await machine.sleep(IDLE_MILLIS, signal);
        return;
      }
      const beginsAt = storedAt - periodMillis;
      const content = { index: next, beginsAt, iFrames: iFrames[next] ?? 0 };
      if (storedAt > time.now && random.chance(0.5)) {
        // What there is of a fragment is sent while the rest is still to come.
        await this.#until(beginsAt + random.between(0, periodMillis), machine, signal);
        const bytes = fragmentBytes({ ...content, behindMillis: 0 });
        const end = random.integer(1, bytes.length - 1);
        yield bytes.subarray(0, end);
        await this.#until(storedAt, machine, signal);
        yield bytes.subarray(end);
        continue;
      }
      await this.#until(storedAt, machine, signal);
      const latest = Math.min(iFrames.length, Math.floor((time.now - fromMillis) / periodMillis)) - 1;
      const behindMillis = Math.max(0, latest - next) * periodMillis;
      const bytes = fragmentBytes({ ...content, behindMillis });
      if (left === 1 && random.chance(0.5)) {
        yield bytes.subarray(0, random.integer(1, bytes.length - 1));
        throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
      }
      yield bytes;
    }
  }

  async #until(millis: number, machine: Machine, signal: AbortSignal): Promise<void> {
    // A machine's timer may be early by true time.
    while (millis > this.#options.time.now) await machine.sleep(millis - this.#options.time.now, signal);
  }

  async #latency(machine: Machine, signal: AbortSignal): Promise<void> {
    await machine.sleep(1 + this.#options.random.exponential(20), signal);
  }
}

const IDLE_MILLIS = 3000;
const FIRST_NUMBER = 91_343_852_333_181_432_392_682_062_607_743_920_146_159_169_000n;

function numberOf(index: number): string {
  return String(FIRST_NUMBER + BigInt(index) * 7n);
}

function indexOf(fragmentNumber: string): number {
  return Number((BigInt(fragmentNumber) - FIRST_NUMBER) / 7n);
}

/** @param options.behindMillis how much older it is than the latest fragment that is complete */
function fragmentBytes({
  index,
  beginsAt,
  iFrames,
  behindMillis,
}: {
  index: number;
  beginsAt: number;
  iFrames: number;
  behindMillis: number;
}): Buffer {
  const content = Array.from({ length: iFrames }, (_, iFrame) => [
    block(iFrame * 80, true, 'I'),
    block(iFrame * 80 + 40, false, 'P'),
  ]).flat();
  const serverSeconds = ((EPOCH_MILLIS + beginsAt) / 1000).toFixed(3);
  const millisBehindNow = String(Math.round(behindMillis));
  return getMediaFragment({ number: numberOf(index), serverSeconds, content, millisBehindNow });
}

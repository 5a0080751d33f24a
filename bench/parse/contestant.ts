import { readFileSync } from 'node:fs';
import { ownUsage } from '../harness/child.ts';
import { PARSERS, type ParserName } from './parsers.ts';

export interface ParseOptions {
  readonly parser: ParserName;
  readonly file: string;
  readonly chunkBytes: number;
  /** One pass, cold. */
  readonly quick: boolean;
}

export interface ParseResult {
  readonly bytesPerCpuSecond: number;
  /** Of the last pass; null where the parser does not tell. */
  readonly frames: number | null;
  /** Why it did not come to the end, if it did not. */
  readonly failure: string | null;
}

/** Whole passes, until they have taken so many CPU seconds. */
const MIN_SECONDS = 0.8;
/** A slow parser is judged by what it manages in this time, CPU seconds. */
const MAX_SECONDS = 4;
/** Code is compiled first. */
const WARM_UP_SECONDS = 0.5;

/** Parses the file, which is in memory, again and again. */
export async function run({ parser, file, chunkBytes, quick }: ParseOptions): Promise<ParseResult> {
  const body = readFileSync(file);
  const start = await PARSERS[parser]();
  const pass = async (maxSeconds: number) => {
    const before = ownUsage().cpuSeconds;
    const elapsed = () => ownUsage().cpuSeconds - before;
    const parsing = start();
    let position = 0;
    try {
      for (; position < body.length; position += chunkBytes) {
        const pending = parsing.write(body.subarray(position, position + chunkBytes));
        if (pending !== undefined) await pending;
        if (position % CHECK_BYTES === 0 && elapsed() > maxSeconds) break;
      }
      await parsing.end?.();
    } catch (error) {
      return { frames: parsing.frames(), bytes: position, seconds: elapsed(), failure: String(error) };
    }
    return {
      frames: parsing.frames(),
      bytes: Math.min(position, body.length),
      seconds: elapsed(),
      failure: null,
    };
  };
  for (let warm = quick ? WARM_UP_SECONDS : 0; warm < WARM_UP_SECONDS; ) {
    const { seconds, failure } = await pass(WARM_UP_SECONDS);
    if (failure !== null) break;
    warm += seconds;
  }
  let seconds = 0;
  let done = 0;
  let last: Awaited<ReturnType<typeof pass>>;
  do {
    last = await pass(MAX_SECONDS - seconds);
    seconds += last.seconds;
    done += last.bytes;
  } while (!quick && seconds < MIN_SECONDS && last.failure === null);
  return { bytesPerCpuSecond: done / seconds, frames: last.frames, failure: last.failure };
}

/** The time is looked at once in so many. */
const CHECK_BYTES = 1024 * 1024;

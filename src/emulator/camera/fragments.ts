import type { EncodedFrame, SourceFragment, SourceFrame } from './video-source.ts';

/** A second, less what rounding may take from it. */
const MIN_FRAGMENT_MILLIS = 990;
/** Bounds the memory for a fragment, and stays within the 16 bits of a block's timecode. */
const MAX_FRAGMENT_MILLIS = 10_000;

/**
 * Cuts one pass into fragments: at the first key frame that comes a second after the last cut. Where none comes
 * for ten seconds it cuts all the same, and that fragment starts without one. A pass shorter than a second is
 * repeated until it lasts that long.
 */
export async function* toFragments(
  pass: AsyncIterable<EncodedFrame>,
): AsyncGenerator<SourceFragment, void, undefined> {
  let frames: EncodedFrame[] = [];
  let startMillis = 0;
  let endMillis = 0;
  let isFirst = true;
  for await (const frame of pass) {
    const sinceStart = frame.timeMillis - startMillis;
    const isDue = sinceStart >= (frame.keyFrame ? MIN_FRAGMENT_MILLIS : MAX_FRAGMENT_MILLIS);
    if (frames.length > 0 && isDue) {
      yield { durationMillis: sinceStart, frames: placed(frames, startMillis) };
      isFirst = false;
      frames = [];
    }
    if (frames.length === 0) startMillis = frame.timeMillis;
    frames.push(frame);
    endMillis = Math.max(endMillis, frame.timeMillis + frame.durationMillis);
  }
  if (frames.length === 0) return;
  const last = { durationMillis: Math.max(1, endMillis - startMillis), frames: placed(frames, startMillis) };
  yield isFirst ? repeated(last) : last;
}

function placed(frames: readonly EncodedFrame[], startMillis: number): SourceFrame[] {
  return frames.map(({ timeMillis, keyFrame, payload }) => ({
    offsetMillis: timeMillis - startMillis,
    keyFrame,
    payload,
  }));
}

function repeated({ durationMillis, frames }: SourceFragment): SourceFragment {
  const times = Math.ceil(MIN_FRAGMENT_MILLIS / durationMillis);
  return {
    durationMillis: durationMillis * times,
    frames: Array.from({ length: times }, (_, time) =>
      frames.map((frame) => ({ ...frame, offsetMillis: frame.offsetMillis + time * durationMillis })),
    ).flat(),
  };
}

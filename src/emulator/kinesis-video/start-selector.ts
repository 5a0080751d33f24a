import { z } from 'zod';
import type { FragmentLog, StoredFragment } from './fragment-log.ts';

/** https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_StartSelector.html */
export const startSelectorSchema = z.discriminatedUnion('StartSelectorType', [
  z.object({ StartSelectorType: z.enum(['NOW', 'EARLIEST']) }),
  z.object({
    StartSelectorType: z.literal('FRAGMENT_NUMBER'),
    AfterFragmentNumber: z
      .string()
      .max(128)
      .regex(/^[0-9]+$/),
  }),
  z.object({
    StartSelectorType: z.enum(['SERVER_TIMESTAMP', 'PRODUCER_TIMESTAMP']),
    /** Seconds since the Unix epoch, with a fraction. */
    StartTimestamp: z.number(),
  }),
  z.object({
    StartSelectorType: z.literal('CONTINUATION_TOKEN'),
    ContinuationToken: z
      .string()
      .max(128)
      .regex(/^[a-zA-Z0-9_.-]+$/),
  }),
]);

export type StartSelector = z.infer<typeof startSelectorSchema>;

/**
 * The position to read from; null where the selector names a fragment that is not kept.
 *
 * NOW is what has not been stored yet: the fragment that is being received, or the next.
 */
export function startPosition(selector: StartSelector, log: FragmentLog): string | null {
  switch (selector.StartSelectorType) {
    case 'NOW':
      return log.last;
    case 'EARLIEST':
      return log.evictedThrough;
    case 'FRAGMENT_NUMBER':
      return kept(selector.AfterFragmentNumber, log);
    case 'CONTINUATION_TOKEN':
      return kept(selector.ContinuationToken, log);
    case 'SERVER_TIMESTAMP':
    case 'PRODUCER_TIMESTAMP': {
      const millis = Math.round(selector.StartTimestamp * 1000);
      const span = selector.StartSelectorType === 'SERVER_TIMESTAMP' ? serverSpan : producerSpan;
      return log.before((fragment, next) => {
        const { start, end } = span(fragment);
        const nextStart = next === undefined ? end : span(next).start;
        // Where two overlap, a time is in the later one.
        return start >= millis || (nextStart > start ? Math.min(end, nextStart) : end) > millis;
      });
    }
  }
}

function kept(fragmentNumber: string, log: FragmentLog): string | null {
  return log.has(fragmentNumber) ? fragmentNumber : null;
}

function serverSpan({ serverTimestampMillis, serverEndMillis }: StoredFragment) {
  return { start: serverTimestampMillis, end: serverEndMillis };
}

function producerSpan({ producerTimestampMillis, producerEndMillis }: StoredFragment) {
  return { start: producerTimestampMillis, end: producerEndMillis };
}

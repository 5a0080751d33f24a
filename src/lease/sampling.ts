import * as z from 'zod';
import { CONTENT_TYPES, type ContentType } from '../config/schema.ts';
import type { Checkpoint } from './checkpoint.ts';

/** What an endpoint gets of a stream: every Nth I-frame. */
export interface SampledEndpoint {
  readonly name: string;
  readonly acceptContentType: ContentType;
  readonly inferenceInterval: number;
}

/** Which of a stream's frames go where. */
export interface SamplingPlan {
  readonly endpoints: readonly SampledEndpoint[];
  /** Whether ids of results name the endpoint. */
  readonly namesEndpoints: boolean;
}

/** The first fragment that a plan holds for. */
export type SamplingStart =
  | { readonly type: 'START' }
  /** The one that follows this fragment. */
  | { readonly type: 'AFTER_FRAGMENT'; readonly fragmentNumber: string };

/** A plan, which holds until the next period starts. */
export interface SamplingPeriod {
  readonly from: SamplingStart;
  readonly plan: SamplingPlan;
}

/** More changes than that wait until the checkpoint has passed some: a lease stays small. */
export const MAX_SAMPLING_PERIODS = 50;

/*
 * The plans of a stream, oldest first, as its lease has them. They are what makes a re-read sample as the first read
 * did, whoever reads: a change is in the table before the first frame that it concerns is handed on. Pure.
 */

/** The plan that holds for a fragment; null where there is no period at all. */
export function planOf(periods: readonly SamplingPeriod[], fragmentNumber: string): SamplingPlan | null {
  const number = BigInt(fragmentNumber);
  const period = periods.findLast(
    ({ from }) => from.type === 'START' || number > BigInt(from.fragmentNumber),
  );
  return (period ?? periods[0])?.plan ?? null;
}

/** Adds a plan that holds for all fragments after this one, which comes after the start of every period. */
export function withChange(
  periods: readonly SamplingPeriod[],
  fragmentNumber: string,
  plan: SamplingPlan,
): readonly SamplingPeriod[] {
  return [...periods, { from: { type: 'AFTER_FRAGMENT', fragmentNumber }, plan }];
}

/** Without the periods that lie wholly before the checkpoint: nothing of them is ever read again. */
export function pruned(
  periods: readonly SamplingPeriod[],
  checkpoint: Checkpoint | null,
): readonly SamplingPeriod[] {
  if (checkpoint === null) return periods;
  const done = BigInt(checkpoint.fragmentNumber);
  const first = periods.findLastIndex(
    ({ from }) => from.type === 'AFTER_FRAGMENT' && BigInt(from.fragmentNumber) <= done,
  );
  return first > 0 ? periods.slice(first) : periods;
}

/** Whether both sample the same frames for the same endpoints, under the same ids. */
export function isSamePlan(one: SamplingPlan, other: SamplingPlan): boolean {
  if (one === other) return true;
  const others = new Map(other.endpoints.map((endpoint) => [endpoint.name, endpoint]));
  return (
    one.namesEndpoints === other.namesEndpoints &&
    one.endpoints.length === other.endpoints.length &&
    one.endpoints.every((endpoint) => {
      const match = others.get(endpoint.name);
      return (
        match?.acceptContentType === endpoint.acceptContentType &&
        match.inferenceInterval === endpoint.inferenceInterval
      );
    })
  );
}

const fragmentNumber = z.string().regex(/^\d+$/, 'a fragment number');

const periodSchema = z
  .strictObject({
    after: fragmentNumber.optional(),
    endpoints: z.array(z.tuple([z.string().min(1), z.enum(CONTENT_TYPES), z.int().min(1)])),
    namesEndpoints: z.boolean(),
  })
  .transform(
    ({ after, endpoints, namesEndpoints }): SamplingPeriod => ({
      from: after === undefined ? { type: 'START' } : { type: 'AFTER_FRAGMENT', fragmentNumber: after },
      plan: {
        endpoints: endpoints.map(([name, acceptContentType, inferenceInterval]) => ({
          name,
          acceptContentType,
          inferenceInterval,
        })),
        namesEndpoints,
      },
    }),
  );

/** The periods as JSON, such as `[{"endpoints":[["detector","image/jpeg",6]],"namesEndpoints":false}]`. */
export const samplingSchema = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue({ code: 'custom', message: 'no JSON' });
      return z.NEVER;
    }
  })
  .pipe(z.array(periodSchema).min(1))
  .refine((periods) => periods.every(({ from }, index) => isAfter(from, periods[index - 1])), {
    message: 'periods that are not in the order of their fragments',
  });

/** What `samplingSchema` reads. */
export function samplingText(periods: readonly SamplingPeriod[]): string {
  return JSON.stringify(
    periods.map(({ from, plan: { endpoints, namesEndpoints } }) => ({
      ...(from.type === 'START' ? {} : { after: from.fragmentNumber }),
      endpoints: endpoints.map((endpoint) => [
        endpoint.name,
        endpoint.acceptContentType,
        endpoint.inferenceInterval,
      ]),
      namesEndpoints,
    })),
  );
}

function isAfter(from: SamplingStart, before: SamplingPeriod | undefined): boolean {
  if (before === undefined) return true;
  if (from.type === 'START') return false;
  return before.from.type === 'START' || BigInt(from.fragmentNumber) > BigInt(before.from.fragmentNumber);
}

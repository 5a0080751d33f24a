import {
  isSamePlan,
  planOf,
  type SamplingPeriod,
  type SamplingPlan,
  samplingSchema,
} from '../../src/lease/sampling.ts';
import type { Random } from '../support/random.ts';
import { InvariantError } from './ledger.ts';
import type { Write } from './operations.ts';

/** A plan by chance: one endpoint or two, and not every I-frame. */
export function randomPlan(random: Random): SamplingPlan {
  const endpoint = (name: string) => ({
    name,
    acceptContentType: 'image/jpeg' as const,
    inferenceInterval: random.integer(1, 5),
  });
  const isTwo = random.chance(0.5);
  return { endpoints: isTwo ? [endpoint('one'), endpoint('two')] : [endpoint('one')], namesEndpoints: isTwo };
}

/** All that the leases ever said of which frames are sampled. */
export class SamplingHistory {
  readonly #periods = new Map<string, SamplingPeriod[]>();
  /** Plans that took the place of others. */
  changes = 0;

  /** @throws {InvariantError} if what was recorded is changed, or a plan is to begin before another one */
  note({ key, before, after }: Pick<Write, 'key' | 'before' | 'after'>): void {
    const text = after?.['sampling']?.S;
    if (text === undefined || text === before?.['sampling']?.S) return;
    const known = this.#periods.get(key) ?? [];
    this.#periods.set(key, known);
    for (const period of samplingSchema.parse(text)) {
      const same = known.find(({ from }) => numberOf(from) === numberOf(period.from));
      if (same === undefined) {
        const last = known.at(-1);
        if (last !== undefined && numberOf(period.from) <= numberOf(last.from)) {
          throw new InvariantError(`${key}: a plan begins before one that was recorded`);
        }
        known.push(period);
        if (last !== undefined) this.changes += 1;
      } else if (!isSamePlan(same.plan, period.plan)) {
        throw new InvariantError(`${key}: what is sampled was recorded twice from the same fragment on`);
      }
    }
  }

  /** @throws {InvariantError} if there was no plan for the stream */
  planOf(streamName: string, fragmentNumber: string): SamplingPlan {
    const plan = planOf(this.#periods.get(streamName) ?? [], fragmentNumber);
    if (plan === null) throw new InvariantError(`${streamName}: no plan was recorded`);
    return plan;
  }
}

function numberOf(from: SamplingPeriod['from']): bigint {
  return from.type === 'START' ? -1n : BigInt(from.fragmentNumber);
}

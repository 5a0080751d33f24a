import { isDeepStrictEqual } from 'node:util';
import type { Lease } from '../../src/lease/lease.ts';
import { planOf, type SamplingPeriod } from '../../src/lease/sampling.ts';
import type { ResultRecord } from '../../src/result/record.ts';
import { frameId } from '../../src/stream/sampled-frame.ts';

/** What the leases of some streams have ever said of what is sampled; a lease forgets what is done. */
export class RecordedPlans {
  readonly #streams = new Map<string, SamplingPeriod[]>();

  /** @throws {Error} if a plan that was recorded has changed */
  add(leases: ReadonlyMap<string, Lease>): void {
    for (const [streamName, { sampling }] of leases) {
      const periods = this.#streams.get(streamName) ?? [];
      this.#streams.set(streamName, periods);
      for (const period of sampling) {
        const known = periods.find(({ from }) => isDeepStrictEqual(from, period.from));
        if (known === undefined) periods.push(period);
        else if (!isDeepStrictEqual(known, period))
          throw new Error(`${streamName} has another plan for the past`);
      }
    }
  }

  periods(streamName: string): readonly SamplingPeriod[] {
    return this.#streams.get(streamName) ?? [];
  }

  /**
   * The ids of what is sampled by these plans, in order.
   *
   * @param iFrames all of the streams, from their starts on
   */
  expectedIds(iFrames: readonly ResultRecord[]): string[] {
    const counters = new Map<string, number>();
    return [...iFrames]
      .sort(byPlaceInStream)
      .flatMap(({ streamName, fragmentNumber, frame }) => {
        const counter = counters.get(streamName) ?? 0;
        counters.set(streamName, counter + 1);
        const plan = planOf(this.periods(streamName), fragmentNumber);
        const endpoints =
          plan?.endpoints.filter(({ inferenceInterval }) => counter % inferenceInterval === 0) ?? [];
        return endpoints.map(({ name }) =>
          frameId(streamName, fragmentNumber, frame.index, plan?.namesEndpoints ? name : undefined),
        );
      })
      .sort();
  }
}

function byPlaceInStream(a: ResultRecord, b: ResultRecord): number {
  if (a.fragmentNumber === b.fragmentNumber) return a.frame.index - b.frame.index;
  return BigInt(a.fragmentNumber) < BigInt(b.fragmentNumber) ? -1 : 1;
}

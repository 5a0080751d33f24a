import { type CostsOptions, measureCosts } from '../../test/simulation/costs.ts';
import { type CostsFigures, figuresOf } from '../../test/simulation/costs-report.ts';

/** One fleet, in virtual time. */
export async function run(options: CostsOptions): Promise<CostsFigures> {
  return figuresOf(await measureCosts(options));
}

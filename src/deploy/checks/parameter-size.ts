import { UsageError } from '../../core/errors.ts';
import { type Finding, ok, warning } from './finding.ts';

/** Of a parameter's value, in bytes (https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html). */
const STANDARD_TIER_BYTES = 4096;
const ADVANCED_TIER_BYTES = 8192;

/**
 * Whether SSM takes the configuration, and at which tier.
 *
 * @throws {UsageError} if it is too long for any
 */
export function checkParameterSize(configuration: string): Finding {
  const what = 'configuration';
  const bytes = Buffer.byteLength(configuration);
  if (bytes > ADVANCED_TIER_BYTES) {
    throw new UsageError(
      `the configuration has ${bytes} bytes, and an SSM parameter takes ${ADVANCED_TIER_BYTES}: choose streams by --tag-filters, not by their names`,
    );
  }
  if (bytes <= STANDARD_TIER_BYTES) return ok(what, `${bytes} bytes`);
  return warning(
    what,
    `${bytes} bytes, over ${STANDARD_TIER_BYTES}: the advanced tier of SSM, about $0.05 a month and $0.43 for what each worker reads; --tag-filters in place of names makes it shorter`,
  );
}

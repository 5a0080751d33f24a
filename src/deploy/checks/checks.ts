import type { Account } from '../account.ts';
import type { Clients } from '../clients.ts';
import { checkImage } from '../image.ts';
import type { Plan } from '../plan.ts';
import { checkEndpoint } from './endpoints.ts';
import type { Finding } from './finding.ts';
import { checkParameterSize } from './parameter-size.ts';
import { checkPermissions } from './permissions.ts';
import { checkQuotas } from './quotas.ts';
import { checkServiceRole } from './service-role.ts';
import { checkStreams } from './streams.ts';

export interface CheckOptions extends Account {
  /** Null: it is to be built. */
  readonly image: string | null;
  readonly mayCreateRole: () => Promise<boolean>;
  readonly clients: Clients;
  readonly signal: AbortSignal;
}

/**
 * Everything that the stack needs and does not make.
 *
 * @throws {UsageError} if no SSM parameter takes the configuration; the reason of the signal, if that aborts
 */
export async function checkAll(
  { config, values, tuning }: Pick<Plan, 'config' | 'values' | 'tuning'>,
  options: CheckOptions,
): Promise<Finding[]> {
  const { image, mayCreateRole, clients, signal } = options;
  const size = checkParameterSize(tuning.next);
  const endpoints = [...new Set(config.endpoints.map(({ name }) => name))];
  const findings = await Promise.all([
    checkStreams(config, { ...clients, signal }),
    Promise.all(endpoints.map((name) => checkEndpoint(name, clients.sageMaker, signal))),
    image === null ? [] : checkImage(image, clients.ecr, options).then((finding) => [finding]),
    checkQuotas(values, clients.serviceQuotas, signal),
  ]);
  // What was broken off is not "not checked".
  signal.throwIfAborted();
  // Last and alone, as it may ask.
  const role = await checkServiceRole(clients.iam, mayCreateRole, signal);
  signal.throwIfAborted();
  return [...findings.flat(), ...checkPermissions(config, values), role, size];
}

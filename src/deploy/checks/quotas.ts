import {
  GetAWSDefaultServiceQuotaCommand,
  GetServiceQuotaCommand,
  type ServiceQuotasClient,
} from '@aws-sdk/client-service-quotas';
import { errorName } from '../../core/errors.ts';
import type { ParameterValues } from '../parameters.ts';
import { type Finding, notChecked, ok, problem } from './finding.ts';

type ServiceQuotas = Pick<ServiceQuotasClient, 'send' | 'config'>;

/** vCPUs at once, of the account in the region (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html). */
const FARGATE_ON_DEMAND = { ServiceCode: 'fargate', QuotaCode: 'L-3032A538' };
const FARGATE_SPOT = { ServiceCode: 'fargate', QuotaCode: 'L-36FBB829' };

const CPU_UNITS_PER_VCPU = 1024;

/** Whether the quotas are as large as what the stack may use; what else uses them is not counted. */
export async function checkQuotas(
  values: ParameterValues,
  serviceQuotas: ServiceQuotas,
  signal: AbortSignal,
): Promise<Finding[]> {
  const vcpus = (Number(values['Cpu']) / CPU_UNITS_PER_VCPU) * Number(values['MaxWorkers']);
  const checks = [check(FARGATE_ON_DEMAND, 'quota Fargate On-Demand')];
  if (Number(values['FargateSpotWeight']) > 0) checks.push(check(FARGATE_SPOT, 'quota Fargate Spot'));
  return await Promise.all(checks);

  async function check(quota: typeof FARGATE_SPOT, what: string): Promise<Finding> {
    try {
      const available = await quotaValue(quota, serviceQuotas, signal);
      if (available >= vcpus)
        return ok(what, `${available} vCPUs, MaxWorkers tasks may use ${vcpus} of them`);
      const command = `aws service-quotas request-service-quota-increase --service-code ${quota.ServiceCode} --quota-code ${quota.QuotaCode} --desired-value ${Math.ceil(vcpus)} --region ${await serviceQuotas.config.region()}`;
      return problem(
        what,
        `${available} vCPUs, and MaxWorkers tasks may use ${vcpus}; ask for more: ${command}`,
      );
    } catch (error) {
      return notChecked(what, error);
    }
  }
}

/** An account that has never used the service has no value of its own. */
async function quotaValue(
  quota: typeof FARGATE_SPOT,
  serviceQuotas: ServiceQuotas,
  signal: AbortSignal,
): Promise<number> {
  const options = { abortSignal: signal };
  try {
    const { Quota } = await serviceQuotas.send(new GetServiceQuotaCommand(quota), options);
    return Quota?.Value ?? Number.POSITIVE_INFINITY;
  } catch (error) {
    if (errorName(error) !== 'NoSuchResourceException') throw error;
    const { Quota } = await serviceQuotas.send(new GetAWSDefaultServiceQuotaCommand(quota), options);
    return Quota?.Value ?? Number.POSITIVE_INFINITY;
  }
}

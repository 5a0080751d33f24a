import { GetServiceQuotaCommand, type ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import type { ParameterValues } from '../parameters.ts';
import { type Finding, notChecked, ok, problem } from './finding.ts';

type ServiceQuotas = Pick<ServiceQuotasClient, 'send'>;

/** vCPUs at once, of the account in the region (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html). */
const FARGATE_ON_DEMAND = { ServiceCode: 'fargate', QuotaCode: 'L-3032A538' };
const FARGATE_SPOT = { ServiceCode: 'fargate', QuotaCode: 'L-36FBB829' };
const VPCS_PER_REGION = { ServiceCode: 'vpc', QuotaCode: 'L-F678F1CE' };

const CPU_UNITS_PER_VCPU = 1024;

/** Whether the quotas are as large as what the stack may use; what else uses them is not counted. */
export async function checkQuotas(
  values: ParameterValues,
  serviceQuotas: ServiceQuotas,
  signal: AbortSignal,
): Promise<Finding[]> {
  const vcpus = (Number(values['Cpu']) / CPU_UNITS_PER_VCPU) * Number(values['MaxWorkers']);
  const fargate = (quota: typeof FARGATE_SPOT, what: string) =>
    check(quota, what, vcpus, 'vCPUs', 'MaxWorkers tasks');
  const checks = [fargate(FARGATE_ON_DEMAND, 'quota Fargate On-Demand')];
  if (Number(values['FargateSpotWeight']) > 0) checks.push(fargate(FARGATE_SPOT, 'quota Fargate Spot'));
  if (values['VpcId'] === '') checks.push(check(VPCS_PER_REGION, 'quota VPCs', 1, 'VPCs', 'the stack'));
  return await Promise.all(checks);

  async function check(quota: typeof FARGATE_SPOT, what: string, needed: number, unit: string, by: string) {
    try {
      const { Quota } = await serviceQuotas.send(new GetServiceQuotaCommand(quota), { abortSignal: signal });
      const available = Quota?.Value ?? Number.POSITIVE_INFINITY;
      if (available >= needed) return ok(what, `${available} ${unit}, ${by} may use ${needed} of them`);
      const command = `aws service-quotas request-service-quota-increase --service-code ${quota.ServiceCode} --quota-code ${quota.QuotaCode} --desired-value ${Math.ceil(needed)}`;
      return problem(what, `${available} ${unit}, and ${by} may use ${needed}; ask for more: ${command}`);
    } catch (error) {
      return notChecked(what, error);
    }
  }
}

import {
  DescribeEndpointCommand,
  ListEndpointsCommand,
  type SageMakerClient,
} from '@aws-sdk/client-sagemaker';
import { similarNames } from '../../cli/leases/similar.ts';
import { errorMessage, errorName } from '../../core/errors.ts';
import { type Finding, notChecked, ok, problem, warning } from './finding.ts';

type SageMaker = Pick<SageMakerClient, 'send'>;

/** States that become InService by themselves. */
const UNDER_WAY = new Set(['Creating', 'Updating', 'SystemUpdating', 'RollingBack']);
const MAX_LISTED = 5;

/** Whether the endpoint is there and answers. */
export async function checkEndpoint(
  name: string,
  sageMaker: SageMaker,
  signal: AbortSignal,
): Promise<Finding> {
  const what = `endpoint ${name}`;
  try {
    const command = new DescribeEndpointCommand({ EndpointName: name });
    const { EndpointStatus = 'Unknown', FailureReason } = await sageMaker.send(command, {
      abortSignal: signal,
    });
    if (EndpointStatus === 'InService') return ok(what, EndpointStatus);
    if (UNDER_WAY.has(EndpointStatus)) return warning(what, `${EndpointStatus}: the workers wait for it`);
    return problem(what, `${EndpointStatus}${FailureReason === undefined ? '' : `: ${FailureReason}`}`);
  } catch (error) {
    // SageMaker says with a ValidationException that it finds nothing.
    const isMissing =
      errorName(error) === 'ValidationException' && /could not find/i.test(errorMessage(error));
    if (!isMissing) return notChecked(what, error);
    return problem(
      what,
      `there is no such endpoint in this account and region; ${await others(name, sageMaker, signal)}`,
    );
  }
}

async function others(name: string, sageMaker: SageMaker, signal: AbortSignal): Promise<string> {
  const names = await endpointNames(sageMaker, signal);
  const similar = similarNames(name, names);
  if (similar.length > 0) return `did you mean ${similar.join(', ')}?`;
  if (names.length > 0) return `there are: ${names.slice(0, MAX_LISTED).join(', ')}`;
  return 'cloudformation/sample-endpoint.yaml makes one';
}

/** Those in service. For a hint only: who may not list them gets none. */
async function endpointNames(sageMaker: SageMaker, signal: AbortSignal): Promise<string[]> {
  try {
    const command = new ListEndpointsCommand({ StatusEquals: 'InService', MaxResults: 100 });
    const { Endpoints = [] } = await sageMaker.send(command, { abortSignal: signal });
    return Endpoints.flatMap(({ EndpointName }) => EndpointName ?? []);
  } catch {
    return [];
  }
}

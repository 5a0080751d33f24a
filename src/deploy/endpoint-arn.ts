import { DescribeEndpointCommand, type SageMakerClient } from '@aws-sdk/client-sagemaker';
import type { ParameterValues } from './parameters.ts';

const NAME = 'SageMakerEndpointArn';

/**
 * What the parameter SageMakerEndpointArn has to be changed to: ARNs are in lower case, so that the worker's role must be
 * told the one of an endpoint whose name is not; one of another endpoint that was used before has to go.
 *
 * @param values of the stack as it will be
 * @returns nothing to change: `{}`
 */
export async function endpointArn(
  given: ParameterValues,
  values: ParameterValues,
  sageMaker: Pick<SageMakerClient, 'send'>,
  signal: AbortSignal,
): Promise<ParameterValues> {
  const { SageMakerEndpoint: endpoint = '', [NAME]: current = '' } = values;
  const lowerCase = endpoint.toLowerCase();
  const isRight = current === '' ? lowerCase === endpoint : current.endsWith(`:endpoint/${lowerCase}`);
  if (given[NAME] !== undefined || isRight) return {};
  if (lowerCase === endpoint) return { [NAME]: '' };
  try {
    const command = new DescribeEndpointCommand({ EndpointName: endpoint });
    const { EndpointArn } = await sageMaker.send(command, { abortSignal: signal });
    return { [NAME]: EndpointArn ?? '' };
  } catch {
    signal.throwIfAborted();
    // The check of the endpoint says what is wrong.
    return { [NAME]: '' };
  }
}

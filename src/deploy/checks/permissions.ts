import type { Config } from '../../config/resolve.ts';
import { parseStreamArn } from '../../discovery/discovered-stream.ts';
import type { ParameterValues } from '../parameters.ts';
import { type Finding, warning } from './finding.ts';

const MAX_NAMED = 5;

/**
 * What the configuration uses and the worker's role does not allow, as the role follows the stack's parameters alone:
 * ARNs, more names than a parameter takes, further endpoints. Pure.
 */
export function checkPermissions(config: Config, values: ParameterValues): Finding[] {
  const { TagFilters, StreamNames = '', SageMakerEndpoint, ResultBucket } = values;
  const granted = new Set(StreamNames.split(',').map((name) => name.replaceAll(/[" ]/g, '')));
  const all = TagFilters !== '';
  const streams = config.streamNames
    .map((name) => parseStreamArn(name)?.streamName ?? name)
    .filter((name) => !all && !granted.has(name));
  const { endpoints, resultBucket, tagFilters } = config;
  const names = new Set(endpoints.map(({ name }) => name).filter((name) => name !== SageMakerEndpoint));
  const missing = [
    ...streams.slice(0, MAX_NAMED).map((name) => `stream ${name}`),
    ...(streams.length > MAX_NAMED ? [`${streams.length - MAX_NAMED} more streams`] : []),
    ...(tagFilters.length > 0 && !all ? ['tagFilters'] : []),
    ...[...names].map((name) => `endpoint ${name}`),
    ...(resultBucket !== undefined && resultBucket !== ResultBucket ? [`bucket ${resultBucket}`] : []),
  ];
  if (missing.length === 0) return [];
  const text = `not covered, as no parameter of the stack names it: ${missing.join(', ')}; allow it to the role that is the output TaskRole`;
  return [warning("worker's role", text)];
}

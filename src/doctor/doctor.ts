import { applicationName, leaseTableName } from '../config/load.ts';
import { type Config, selections } from '../config/resolve.ts';
import type { Clock } from '../core/clock.ts';
import { UsageError } from '../core/errors.ts';
import { createLogger } from '../core/log.ts';
import { parseStreamArn } from '../discovery/discovered-stream.ts';
import { TagCalls } from '../discovery/tag-calls.ts';
import type { Clients } from '../worker/clients.ts';
import { accountCheck } from './account.ts';
import { type Check, type Finding, failed, known, warning } from './check.ts';
import { type ConfigSource, configurationCheck } from './configuration.ts';
import { endpointCheck } from './endpoint.ts';
import { leaseTableCheck } from './lease-table.ts';
import { bucketCheck, dataStreamCheck } from './outputs.ts';
import { type RunOptions, runChecks } from './run.ts';
import { streamCheck } from './streams.ts';
import { taggedStreamsCheck } from './tagged-streams.ts';

export interface ExamineOptions extends RunOptions {
  source: ConfigSource;
  /** That the configuration is, or will be, in; null if it is not known. */
  parameterName: string | null;
  /** The worker's own, so that the same calls are made with the same permissions. */
  clients: Clients;
}

/** Of the streams that a tag filter matches: the others are read in the same way. */
const MAX_TAGGED_MEDIA = 10;

/**
 * Uses everything that a worker with this configuration needs, each in the most harmless way there is.
 *
 * @throws only what `signal` aborts with
 */
export async function examine(options: ExamineOptions, signal: AbortSignal): Promise<Finding[]> {
  const { source, clients, clock } = options;
  const configuration = configurationCheck(source, { ssm: clients.ssm, clock }, (config) =>
    needsOf(config, options),
  );
  return await runChecks([accountCheck(clients.ssm, [configuration])], options, signal);
}

/** In the order of a frame's way. */
function needsOf(config: Config, { parameterName, clients, clock }: ExamineOptions): Check[] {
  return [
    ...streamChecks(config, clients, clock),
    ...config.endpoints.map((endpoint) => endpointCheck(endpoint, config, { ...clients, clock })),
    dataStreamCheck(config.kdsStreamName, clients),
    ...bucketChecks(config, parameterName, clients),
    leaseChecks(config, parameterName, clients),
  ];
}

function streamChecks(config: Config, clients: Clients, clock: Clock): Check[] {
  const all = selections(config);
  const names = [...new Set(all.flatMap(({ streamNames }) => streamNames))];
  const seen = new Set(names.map(nameOf));
  const named = names.map((stream) =>
    streamCheck({ stream, isTagged: false, withMedia: true }, config, clients),
  );
  const next = (streamArns: readonly string[]) => {
    const unseen = streamArns.filter((streamArn) => !seen.has(nameOf(streamArn)));
    for (const streamArn of unseen) seen.add(nameOf(streamArn));
    return unseen.map((stream, index) =>
      streamCheck({ stream, isTagged: true, withMedia: index < MAX_TAGGED_MEDIA }, config, clients),
    );
  };
  // What goes wrong is in the table.
  const calls = new TagCalls({ ...clients, clock, log: createLogger('silent') });
  const filters = new Map(all.map(({ tagFilters }) => [JSON.stringify(tagFilters), tagFilters]));
  const tagged = [...filters.values()]
    .filter((tagFilters) => tagFilters.length > 0)
    .map((tagFilters) => taggedStreamsCheck({ tagFilters, calls, next }));
  return [...named, ...tagged];
}

function nameOf(stream: string): string {
  return parseStreamArn(stream)?.streamName ?? stream;
}

function bucketChecks({ resultBucket }: Config, parameterName: string | null, clients: Clients): Check[] {
  if (resultBucket === undefined) return [];
  if (parameterName === null) return [known('PutObject', resultBucket, NAMELESS)];
  return [bucketCheck(resultBucket, applicationName(parameterName), clients)];
}

function leaseChecks(config: Config, parameterName: string | null, clients: Clients): Check {
  if (parameterName === null && config.leaseTable === undefined) {
    return known('DescribeTable', 'lease table', NAMELESS);
  }
  try {
    const tableName = leaseTableName(config, parameterName ?? '');
    const application = parameterName === null ? null : applicationName(parameterName);
    const { createLeaseTable } = config;
    return leaseTableCheck({ tableName, createLeaseTable, applicationName: application }, clients);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return known('DescribeTable', 'lease table', failed(error.message, null));
  }
}

const NAMELESS = warning(
  'not checked, as it is called after the parameter',
  'name the parameter with --parameter',
);

import { applicationName, leaseTableName } from '../config/load.ts';
import { type Config, selections } from '../config/resolve.ts';
import { UsageError } from '../core/errors.ts';
import { parseStreamArn } from '../discovery/discovered-stream.ts';
import type { Clients } from '../worker/clients.ts';
import { accountCheck } from './account.ts';
import { type Check, type Finding, known, mend, warning } from './check.ts';
import { type ConfigSource, configurationCheck } from './configuration.ts';
import { endpointCheck } from './endpoint.ts';
import { leaseTableCheck } from './lease-table.ts';
import { bucketCheck, dataStreamCheck } from './outputs.ts';
import { type RunOptions, runChecks } from './run.ts';
import { streamCheck } from './streams.ts';
import { taggedStreamsCheck } from './tagged-streams.ts';

export interface DoctorOptions extends RunOptions {
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
export async function examine(options: DoctorOptions, signal: AbortSignal): Promise<Finding[]> {
  const { source, clients, clock } = options;
  const configuration = configurationCheck(source, { ssm: clients.ssm, clock }, (config) =>
    needsOf(config, options),
  );
  return await runChecks([accountCheck(clients.ssm, [configuration])], options, signal);
}

/** In the order of a frame's way. */
function needsOf(config: Config, { parameterName, clients, clock }: DoctorOptions): Check[] {
  return [
    ...streamChecks(config, clients),
    ...config.endpoints.map((endpoint) => endpointCheck(endpoint, config, { ...clients, clock })),
    dataStreamCheck(config.kdsStreamName, clients),
    ...bucketChecks(config, parameterName, clients),
    leaseChecks(config, parameterName, clients),
  ];
}

function streamChecks(config: Config, clients: Clients): Check[] {
  const all = selections(config);
  // What is not lossless may miss what came in an outage.
  const outageInHours = config.mode === 'live' ? 0 : config.outageToSurviveInHours;
  const seen = new Set<string>();
  const check = (stream: string, withMedia: boolean): Check => {
    seen.add(nameOf(stream));
    return streamCheck({ stream, outageInHours, withMedia }, clients);
  };
  const names = new Set(all.flatMap(({ streamNames }) => streamNames));
  const named = [...names].map((name) => check(name, true));
  const filters = new Map(all.map(({ tagFilters }) => [JSON.stringify(tagFilters), tagFilters]));
  const tagged = [...filters.values()]
    .filter((tagFilters) => tagFilters.length > 0)
    .map((tagFilters) =>
      taggedStreamsCheck(tagFilters, clients, (streamArns) =>
        streamArns
          .filter((streamArn) => !seen.has(nameOf(streamArn)))
          .map((streamArn, index) => check(streamArn, index < MAX_TAGGED_MEDIA)),
      ),
    );
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
    return known('DescribeTable', 'lease table', mend(error.message, null));
  }
}

const NAMELESS = warning(
  'not checked, as it is called after the parameter',
  'name the parameter with --parameter',
);

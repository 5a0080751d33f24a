import {
  DescribeStreamCommand,
  type KinesisVideoClient,
  ListStreamsCommand,
} from '@aws-sdk/client-kinesis-video';
import {
  paginateGetResources,
  type ResourceGroupsTaggingAPIClient,
} from '@aws-sdk/client-resource-groups-tagging-api';
import { similarNames } from '../../cli/leases/similar.ts';
import type { Config } from '../../config/resolve.ts';
import { concurrently } from '../../core/concurrently.ts';
import { errorName } from '../../core/errors.ts';
import { identifierOf, namedStream } from '../../discovery/discovered-stream.ts';
import { type StreamVerdict, verdictOfStream } from '../../discovery/stream-verdict.ts';
import { type Finding, notChecked, ok, problem, warning } from './finding.ts';

export interface StreamChecks {
  readonly kinesisVideo: Pick<KinesisVideoClient, 'send'>;
  readonly tagging: ResourceGroupsTaggingAPIClient;
  readonly signal: AbortSignal;
}

const CONCURRENT_CALLS = 10;
/** More would take long, and be hardly read. */
const MAX_DESCRIBED = 200;

/** Whether the streams that the configuration names, or finds by their tags, are there, and keep their video. */
export async function checkStreams(config: Config, options: StreamChecks): Promise<Finding[]> {
  const byTags = config.tagFilters.length === 0 ? null : await taggedStreams(config.tagFilters, options);
  const [arns, findings] = byTags ?? [[], []];
  const all = [...config.streamNames, ...arns];
  const names = all.slice(0, MAX_DESCRIBED);
  if (all.length > names.length) {
    findings.push(warning('streams', `the first ${names.length} of ${all.length} are checked`));
  }
  const found: Finding[] = [];
  await concurrently(names, CONCURRENT_CALLS, async (name) => {
    found.push(await checkStream(name, config, options));
  });
  const good = found.filter(({ state }) => state === 'ok');
  const others = found.filter(({ state }) => state !== 'ok').sort((a, b) => (a.what < b.what ? -1 : 1));
  const summary =
    good.length > 3
      ? [ok('streams', `${good.length} are there`)]
      : good.sort((a, b) => (a.what < b.what ? -1 : 1));
  return [...findings, ...summary, ...others];
}

async function checkStream(name: string, config: Config, options: StreamChecks): Promise<Finding> {
  const stream = namedStream(name);
  const { streamName } = stream;
  const what = `stream ${streamName}`;
  try {
    const command = new DescribeStreamCommand(identifierOf(stream));
    const { StreamInfo } = await options.kinesisVideo.send(command, { abortSignal: options.signal });
    return finding(what, verdictOfStream(streamName, StreamInfo ?? {}, config));
  } catch (error) {
    if (errorName(error) !== 'ResourceNotFoundException') return notChecked(what, error);
    const similar = similarNames(streamName, await streamNames(options));
    const hint = similar.length === 0 ? '' : `; did you mean ${similar.join(', ')}?`;
    const { text } = verdictOfStream(streamName, null, config);
    return problem(what, `${text}${hint}`);
  }
}

function finding(what: string, { result, text }: StreamVerdict): Finding {
  if (result === 'error') return problem(what, text);
  return result === 'warning' ? warning(what, text) : ok(what, text);
}

/** For a hint only: who may not list them gets none. */
async function streamNames({ kinesisVideo, signal }: StreamChecks): Promise<string[]> {
  try {
    const command = new ListStreamsCommand({ MaxResults: 1000 });
    const { StreamInfoList = [] } = await kinesisVideo.send(command, { abortSignal: signal });
    return StreamInfoList.flatMap(({ StreamName }) => StreamName ?? []);
  } catch {
    return [];
  }
}

/** ARNs of the streams that match now, and how many. */
async function taggedStreams(
  tagFilters: Config['tagFilters'],
  { tagging, signal }: StreamChecks,
): Promise<[string[], Finding[]]> {
  const what = 'tag filters';
  const arns: string[] = [];
  try {
    const input = {
      ResourceTypeFilters: ['kinesisvideo:stream'],
      TagFilters: tagFilters.map(({ key, values }) => ({ Key: key, Values: values })),
    };
    const pages = paginateGetResources({ client: tagging }, input, { abortSignal: signal });
    for await (const { ResourceTagMappingList = [] } of pages) {
      arns.push(...ResourceTagMappingList.flatMap(({ ResourceARN }) => ResourceARN ?? []));
    }
  } catch (error) {
    return [[], [notChecked(what, error)]];
  }
  const matches =
    arns.length === 0
      ? warning(what, 'no stream matches now; those that do later are read from then on')
      : ok(what, `${arns.length} ${arns.length === 1 ? 'stream matches' : 'streams match'} now`);
  return [arns, [matches]];
}

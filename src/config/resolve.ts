import type { ConfigKeys, ContentType } from './schema.ts';

export type TagFilters = ConfigKeys['tagFilters'];

/** Streams, by name or ARN, and those whose tags match every filter. */
export interface StreamSelection {
  readonly streamNames: readonly string[];
  /** None selects no stream. */
  readonly tagFilters: TagFilters;
}

export interface EndpointConfig {
  readonly name: string;
  readonly acceptContentType: ContentType;
  readonly inferenceInterval: number;
  /** Null = every stream that is read. */
  readonly streams: StreamSelection | null;
  readonly targetVariant: string | null;
  readonly targetModel: string | null;
  readonly inferenceComponent: string | null;
}

type GivenEndpoint = NonNullable<ConfigKeys['endpoints']>[number];
type Resolved = 'mode' | 'queueFullPolicy' | 'maxFrameAgeInMilli' | 'maxWaitingFramesPerStream' | 'endpoints';

/** A configuration as the worker sees it: what keys say together is told by one of them. */
export interface Config extends Omit<ConfigKeys, Resolved | '$schema'> {
  /** `live` if frames may be dropped to stay fresh. */
  readonly mode: 'lossless' | 'live';
  readonly queueFullPolicy: 'block' | 'dropOldest';
  /** 0 = off. */
  readonly maxFrameAgeInMilli: number;
  /** 0 = no limit. */
  readonly maxWaitingFramesPerStream: number;
  /** At least one; the KIT keys are the shorthand for one. */
  readonly endpoints: readonly EndpointConfig[];
}

/** A key whose value does not go with another's. */
export interface Contradiction {
  readonly path: readonly (string | number)[];
  readonly expected: string;
}

const LIVE_MAX_FRAME_AGE_MILLIS = 5000;
const LIVE_MAX_WAITING_FRAMES = 2;

/** The keys that are right by themselves, those that are not given as undefined; a wrong one is left out. */
type RightKeys = Partial<ConfigKeys>;

/** Each key that does not go with the others. Pure. */
export function contradictions(keys: RightKeys): Contradiction[] {
  return [...streamProblems(keys), ...endpointProblems(keys), ...modeProblems(keys)];
}

export function resolve({ $schema: _, endpoints, ...keys }: ConfigKeys): Config {
  const { queueFullPolicy: policy, maxFrameAgeInMilli: age, maxWaitingFramesPerStream: waiting } = keys;
  const drops = policy === 'dropOldest' || (age ?? 0) > 0;
  const mode = keys.mode ?? (drops ? 'live' : 'lossless');
  const isLiveShorthand = keys.mode === 'live';
  const shorthand: GivenEndpoint = { name: keys.sageMakerEndpoint ?? '' };
  return {
    ...keys,
    mode,
    queueFullPolicy: policy ?? (isLiveShorthand ? 'dropOldest' : 'block'),
    maxFrameAgeInMilli: age ?? (isLiveShorthand ? LIVE_MAX_FRAME_AGE_MILLIS : 0),
    maxWaitingFramesPerStream: waiting ?? (isLiveShorthand ? LIVE_MAX_WAITING_FRAMES : 0),
    endpoints: (endpoints ?? [shorthand]).map((endpoint) => ({
      name: endpoint.name,
      acceptContentType: endpoint.acceptContentType ?? keys.endPointAcceptContentType,
      inferenceInterval: endpoint.inferenceInterval ?? keys.inferenceInterval,
      streams: endpoint.streams === undefined ? null : selection(endpoint.streams),
      targetVariant: endpoint.targetVariant ?? keys.sageMakerTargetVariant ?? null,
      targetModel: endpoint.targetModel ?? keys.sageMakerTargetModel ?? null,
      inferenceComponent: endpoint.inferenceComponent ?? keys.sageMakerInferenceComponent ?? null,
    })),
  };
}

/** All selections together are the streams to read. */
export function selections(config: Config): StreamSelection[] {
  const { streamNames, tagFilters } = config;
  const own = config.endpoints.flatMap(({ streams }) => streams ?? []);
  return [{ streamNames, tagFilters }, ...own];
}

function selection(streams: NonNullable<GivenEndpoint['streams']>): StreamSelection {
  return {
    streamNames: streams.filter((stream) => typeof stream === 'string').filter((name) => name !== ''),
    tagFilters: streams.filter((stream) => typeof stream !== 'string'),
  };
}

function streamProblems(keys: RightKeys): Contradiction[] {
  const { streamNames, tagFilters, endpoints = [] } = keys;
  if (streamNames === undefined || tagFilters === undefined || !('endpoints' in keys)) return [];
  const own = endpoints.flatMap(({ streams }) => streams ?? []).filter((stream) => stream !== '');
  if (streamNames.length + tagFilters.length + own.length > 0) return [];
  return [{ path: ['streamNames'], expected: 'at least one stream name, or tagFilters' }];
}

function endpointProblems(keys: RightKeys): Contradiction[] {
  const { sageMakerEndpoint, endpoints } = keys;
  if (endpoints === undefined) {
    const isNeeded = 'endpoints' in keys && 'sageMakerEndpoint' in keys && sageMakerEndpoint === undefined;
    return isNeeded ? [{ path: ['sageMakerEndpoint'], expected: 'the name of a SageMaker endpoint' }] : [];
  }
  const problems: Contradiction[] = [];
  const names = endpoints.map(({ name }) => name);
  // The stack always gives one.
  if (sageMakerEndpoint !== undefined && !names.includes(sageMakerEndpoint)) {
    problems.push({ path: ['sageMakerEndpoint'], expected: 'the name of one of the endpoints, or nothing' });
  }
  for (const [index, { streams }] of endpoints.entries()) {
    if (streams?.every((stream) => stream === '')) {
      problems.push({
        path: ['endpoints', index, 'streams'],
        expected: 'a stream name or tag filter, or no streams',
      });
    }
  }
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) === index) continue;
    problems.push({ path: ['endpoints', index, 'name'], expected: 'a name that no endpoint before it has' });
  }
  return problems;
}

function modeProblems(keys: RightKeys): Contradiction[] {
  const { mode, queueFullPolicy, maxFrameAgeInMilli, maxWaitingFramesPerStream } = keys;
  const problems: Contradiction[] = [];
  const expect = (key: string, expected: string) =>
    problems.push({ path: [key], expected: `${expected}, as mode is "${mode}"` });
  if (mode === 'live') {
    if (queueFullPolicy === 'block') expect('queueFullPolicy', '"dropOldest"');
    if (maxFrameAgeInMilli === 0) expect('maxFrameAgeInMilli', 'at least 1');
    if (maxWaitingFramesPerStream === 0) expect('maxWaitingFramesPerStream', 'at least 1');
  }
  if (mode === 'lossless') {
    if (queueFullPolicy === 'dropOldest') expect('queueFullPolicy', '"block"');
    if ((maxFrameAgeInMilli ?? 0) > 0) expect('maxFrameAgeInMilli', '0');
  }
  return problems;
}

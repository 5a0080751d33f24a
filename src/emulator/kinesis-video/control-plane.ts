import { z } from 'zod';
import { parseRequest, streamName, streamReference } from './request.ts';
import { ServiceError } from './service-error.ts';
import type { Streams } from './streams.ts';
import type { VideoStream } from './video-stream.ts';

/*
 * The calls about streams
 * (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_Operations_Amazon_Kinesis_Video_Streams.html):
 * each is a POST of JSON to the path that is its name. A stream is ACTIVE as soon as it is created.
 */

/** Answers one call. @throws {ServiceError} */
export type Operation = (body: unknown) => Readonly<Record<string, unknown>>;

const MAX_RETENTION_HOURS = 87_600;
const MAX_TAGS = 50;
const MAX_RESULTS = 10_000;
const DEFAULT_RESULTS = 1000;

const tagKey = z.string().min(1).max(128);
const tags = z.record(tagKey, z.string().max(256));

const createStream = z.object({
  StreamName: streamName,
  DeviceName: z.string().min(1).max(128).nullish(),
  MediaType: z.string().min(1).max(128).nullish(),
  KmsKeyId: z.string().min(1).max(2048).nullish(),
  DataRetentionInHours: z.number().int().min(0).max(MAX_RETENTION_HOURS).nullish(),
  Tags: tags.nullish(),
});
const describeStream = z.object(streamReference);
const listStreams = z.object({
  MaxResults: z.number().int().min(1).max(MAX_RESULTS).nullish(),
  NextToken: z.string().max(512).nullish(),
  StreamNameCondition: z
    .object({
      ComparisonOperator: z.literal('BEGINS_WITH').nullish(),
      ComparisonValue: streamName.nullish(),
    })
    .nullish(),
});
const deleteStream = z.object({ ...streamReference, CurrentVersion: z.string().nullish() });
const updateDataRetention = z.object({
  ...streamReference,
  CurrentVersion: z.string(),
  Operation: z.enum(['INCREASE_DATA_RETENTION', 'DECREASE_DATA_RETENTION']),
  DataRetentionChangeInHours: z.number().int().min(1),
});
const tagStream = z.object({ ...streamReference, Tags: tags });
const untagStream = z.object({ ...streamReference, TagKeyList: z.array(tagKey).min(1).max(MAX_TAGS) });
const listTagsForStream = z.object({ ...streamReference, NextToken: z.string().nullish() });
const getDataEndpoint = z.object({
  ...streamReference,
  APIName: z.enum([
    'PUT_MEDIA',
    'GET_MEDIA',
    'LIST_FRAGMENTS',
    'GET_MEDIA_FOR_FRAGMENT_LIST',
    'GET_HLS_STREAMING_SESSION_URL',
    'GET_DASH_STREAMING_SESSION_URL',
    'GET_CLIP',
    'GET_IMAGES',
  ]),
});

/** @param dataEndpoint what GetDataEndpoint answers */
export function controlPlane(streams: Streams, dataEndpoint: () => string): Record<string, Operation> {
  return {
    createStream(body) {
      const request = parseRequest(createStream, body);
      const settings = {
        deviceName: request.DeviceName ?? null,
        mediaType: request.MediaType ?? null,
        kmsKeyId: request.KmsKeyId ?? null,
        dataRetentionInHours: request.DataRetentionInHours ?? 0,
      };
      const newTags = new Map(Object.entries(request.Tags ?? {}));
      checkTagCount(newTags.size);
      return { StreamARN: streams.create(request.StreamName, settings, newTags).arn };
    },

    describeStream(body) {
      return { StreamInfo: streamInfo(streams.get(parseRequest(describeStream, body))) };
    },

    listStreams(body) {
      const request = parseRequest(listStreams, body);
      const prefix = request.StreamNameCondition?.ComparisonValue ?? '';
      const after = request.NextToken == null ? '' : readToken(request.NextToken);
      const matching = streams.list().filter(({ name }) => name.startsWith(prefix) && name > after);
      const page = matching.slice(0, request.MaxResults ?? DEFAULT_RESULTS);
      const last = page.at(-1);
      const isLastPage = last === undefined || page.length === matching.length;
      return {
        StreamInfoList: page.map(streamInfo),
        ...(isLastPage ? {} : { NextToken: writeToken(last.name) }),
      };
    },

    deleteStream(body) {
      const request = parseRequest(deleteStream, body);
      const stream = streams.get(request);
      if (request.CurrentVersion != null) checkVersion(stream, request.CurrentVersion);
      streams.delete(stream);
      return {};
    },

    updateDataRetention(body) {
      const request = parseRequest(updateDataRetention, body);
      const stream = streams.get(request);
      checkVersion(stream, request.CurrentVersion);
      const sign = request.Operation === 'INCREASE_DATA_RETENTION' ? 1 : -1;
      const hours = stream.settings.dataRetentionInHours + sign * request.DataRetentionChangeInHours;
      if (hours < 0 || hours > MAX_RETENTION_HOURS) {
        throw new ServiceError(
          'InvalidArgumentException',
          `DataRetentionChangeInHours: would make it ${hours} hours; possible are 0 to ${MAX_RETENTION_HOURS}`,
        );
      }
      stream.setDataRetention(hours);
      return {};
    },

    tagStream(body) {
      const request = parseRequest(tagStream, body);
      const stream = streams.get(request);
      const merged = new Map([...stream.tags, ...Object.entries(request.Tags)]);
      checkTagCount(merged.size);
      for (const [key, value] of merged) stream.tags.set(key, value);
      return {};
    },

    untagStream(body) {
      const request = parseRequest(untagStream, body);
      const stream = streams.get(request);
      for (const key of request.TagKeyList) stream.tags.delete(key);
      return {};
    },

    listTagsForStream(body) {
      return { Tags: Object.fromEntries(streams.get(parseRequest(listTagsForStream, body)).tags) };
    },

    getDataEndpoint(body) {
      streams.get(parseRequest(getDataEndpoint, body));
      return { DataEndpoint: dataEndpoint() };
    },
  };
}

function streamInfo(stream: VideoStream) {
  const { deviceName, mediaType, kmsKeyId, dataRetentionInHours } = stream.settings;
  return {
    DeviceName: deviceName,
    StreamName: stream.name,
    StreamARN: stream.arn,
    MediaType: mediaType,
    KmsKeyId: kmsKeyId,
    Version: stream.version,
    Status: 'ACTIVE',
    CreationTime: stream.creationMillis / 1000,
    DataRetentionInHours: dataRetentionInHours,
  };
}

function checkTagCount(count: number): void {
  if (count <= MAX_TAGS) return;
  throw new ServiceError(
    'TagsPerResourceExceededLimitException',
    `${count} tags, a stream has at most ${MAX_TAGS}.`,
  );
}

function checkVersion({ version }: VideoStream, expected: string): void {
  if (version === expected) return;
  throw new ServiceError('VersionMismatchException', `The stream has version ${version}, not ${expected}.`);
}

/** The token of ListStreams: the last name of the page before. */
function writeToken(name: string): string {
  return Buffer.from(name).toString('base64');
}

function readToken(token: string): string {
  const name = Buffer.from(token, 'base64').toString();
  if (writeToken(name) === token) return name;
  throw new ServiceError('InvalidArgumentException', 'NextToken: is not one that ListStreams gave');
}

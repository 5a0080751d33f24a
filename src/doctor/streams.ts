import {
  DescribeStreamCommand,
  GetDataEndpointCommand,
  type KinesisVideoClient,
  type StreamInfo,
} from '@aws-sdk/client-kinesis-video';
import { GetMediaCommand, type KinesisVideoMediaClient } from '@aws-sdk/client-kinesis-video-media';
import type { Config } from '../config/resolve.ts';
import { errorName } from '../core/errors.ts';
import { identifierOf, namedStream } from '../discovery/discovered-stream.ts';
import { verdictOfStream } from '../discovery/stream-verdict.ts';
import { type Check, failed, type Outcome, ok, type Verdict, warning } from './check.ts';

export interface StreamClients {
  kinesisVideo: Pick<KinesisVideoClient, 'send'>;
  media: (endpoint: string) => Pick<KinesisVideoMediaClient, 'send' | 'destroy'>;
}

export interface StreamNeeds {
  /** Name or ARN. */
  readonly stream: string;
  /** Found by its tags, which are listed for a while after it is gone. */
  readonly isTagged: boolean;
  /** Whether media is asked for, too. */
  readonly withMedia: boolean;
}

/** How the calls name a stream, and how the table does. */
interface Reference {
  readonly name: string;
  readonly identifier: { readonly StreamARN: string } | { readonly StreamName: string };
}

/** A stream is described, and its data endpoint and media are asked for, as the worker does. */
export function streamCheck(
  { stream, isTagged, withMedia }: StreamNeeds,
  config: Pick<Config, 'mode' | 'outageToSurviveInHours'>,
  clients: StreamClients,
): Check {
  const named = namedStream(stream);
  const name = named.streamName;
  const identifier = identifierOf(named);
  const toRead = (reference: Reference) => [dataEndpointCheck(reference, withMedia, clients)];
  return {
    name: 'DescribeStream',
    target: name,
    whenDenied: toRead({ name, identifier }),
    async run(abortSignal): Promise<Outcome> {
      const info = await describe(identifier, clients, abortSignal);
      const { result, text } = verdictOfStream(name, info, config);
      if (result === 'error') {
        return isTagged ? warning(`${text}: only its tags are still listed`) : failed(text, MISSING);
      }
      const verdict: Verdict = { result, detail: text, remedy: null, statement: null };
      if (info?.Status === 'CREATING') return verdict;
      const found = info?.StreamARN === undefined ? identifier : { StreamARN: info.StreamARN };
      return { ...verdict, next: toRead({ name, identifier: found }) };
    },
  };
}

const MISSING = 'create the stream, or correct its name or the region';

/** Null if there is no such stream. */
async function describe(
  identifier: Reference['identifier'],
  { kinesisVideo }: StreamClients,
  abortSignal: AbortSignal,
): Promise<StreamInfo | null> {
  try {
    const command = new DescribeStreamCommand(identifier);
    return (await kinesisVideo.send(command, { abortSignal })).StreamInfo ?? {};
  } catch (error) {
    if (errorName(error) === 'ResourceNotFoundException') return null;
    throw error;
  }
}

function dataEndpointCheck(
  { name, identifier }: Reference,
  withMedia: boolean,
  { kinesisVideo, media }: StreamClients,
): Check {
  return {
    name: 'GetDataEndpoint',
    target: name,
    async run(abortSignal): Promise<Outcome> {
      const command = new GetDataEndpointCommand({ ...identifier, APIName: 'GET_MEDIA' });
      const { DataEndpoint } = await kinesisVideo.send(command, { abortSignal });
      if (DataEndpoint === undefined) return failed('the answer names no endpoint', null);
      const next = withMedia ? [mediaCheck({ name, identifier }, () => media(DataEndpoint))] : [];
      return { ...ok(DataEndpoint), next };
    },
  };
}

/** Takes one of the stream's three connections for a moment: the answer's head is enough. */
function mediaCheck(
  { name, identifier }: Reference,
  connect: () => ReturnType<StreamClients['media']>,
): Check {
  return {
    name: 'GetMedia',
    target: name,
    async run(abortSignal) {
      const client = connect();
      try {
        const command = new GetMediaCommand({ ...identifier, StartSelector: { StartSelectorType: 'NOW' } });
        const { Payload } = await client.send(command, { abortSignal });
        (Payload as { destroy?: () => void } | undefined)?.destroy?.();
        return ok('opened from NOW, and closed at once');
      } catch (error) {
        if (errorName(error) !== 'ConnectionLimitExceededException') throw error;
        return warning('permitted, but the stream has three readers already, which is its limit');
      } finally {
        client.destroy();
      }
    },
  };
}

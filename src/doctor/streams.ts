import {
  DescribeStreamCommand,
  GetDataEndpointCommand,
  type KinesisVideoClient,
  type StreamInfo,
} from '@aws-sdk/client-kinesis-video';
import { GetMediaCommand, type KinesisVideoMediaClient } from '@aws-sdk/client-kinesis-video-media';
import { errorName } from '../core/errors.ts';
import { parseStreamArn } from '../discovery/discovered-stream.ts';
import { retentionProblem } from '../discovery/retention.ts';
import { type Check, mend, type Outcome, ok, type Verdict, warning } from './check.ts';

export interface StreamClients {
  kinesisVideo: Pick<KinesisVideoClient, 'send'>;
  media: (endpoint: string) => Pick<KinesisVideoMediaClient, 'send' | 'destroy'>;
}

export interface StreamNeeds {
  /** Name or ARN. */
  readonly stream: string;
  /** To be survived, hours. */
  readonly outageInHours: number;
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
  { stream, outageInHours, withMedia }: StreamNeeds,
  clients: StreamClients,
): Check {
  const arn = parseStreamArn(stream);
  const name = arn?.streamName ?? stream;
  const identifier = arn === null ? { StreamName: stream } : { StreamARN: stream };
  const toRead = (reference: Reference) => [dataEndpointCheck(reference, withMedia, clients)];
  return {
    name: 'DescribeStream',
    target: name,
    // The worker then reads it as it is configured.
    whenDenied: toRead({ name, identifier }),
    async run(abortSignal): Promise<Outcome> {
      try {
        const command = new DescribeStreamCommand(identifier);
        const { StreamInfo = {} } = await clients.kinesisVideo.send(command, { abortSignal });
        const { Status, StreamARN } = StreamInfo;
        if (Status === 'DELETING') return mend('it is being deleted', MISSING);
        const found = StreamARN === undefined ? identifier : { StreamARN };
        return {
          ...verdictOfStream(name, StreamInfo, outageInHours),
          next: toRead({ name, identifier: found }),
        };
      } catch (error) {
        if (errorName(error) !== 'ResourceNotFoundException') throw error;
        return mend('there is no such stream', MISSING);
      }
    },
  };
}

const MISSING = 'create the stream, or correct its name or the region';

function verdictOfStream(
  name: string,
  { Status, DataRetentionInHours = 0 }: StreamInfo,
  outageInHours: number,
): Verdict {
  if (Status !== 'ACTIVE') return warning(`${Status}: it can be read when it is ACTIVE`);
  const problem = retentionProblem(name, DataRetentionInHours, outageInHours);
  return problem === null ? ok(`ACTIVE, keeps video for ${DataRetentionInHours} h`) : warning(problem);
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
      if (DataEndpoint === undefined) return mend('the answer names no endpoint', null);
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

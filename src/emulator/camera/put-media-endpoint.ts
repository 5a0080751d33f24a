import { errorName } from '../../core/errors.ts';

interface CallOptions {
  abortSignal: AbortSignal;
}

/** The calls of Kinesis Video Streams that a camera makes; `KinesisVideo` of the AWS SDK has them. */
export interface KinesisVideoApi {
  describeStream(input: { StreamName: string }, options: CallOptions): Promise<unknown>;
  createStream(
    input: { StreamName: string; MediaType: string; DataRetentionInHours: number },
    options: CallOptions,
  ): Promise<unknown>;
  getDataEndpoint(
    input: { StreamName: string; APIName: 'PUT_MEDIA' },
    options: CallOptions,
  ): Promise<{ DataEndpoint?: string | undefined }>;
}

const RETENTION_HOURS = 24;
const MEDIA_TYPES: Readonly<Record<string, string>> = {
  'V_MPEG4/ISO/AVC': 'video/h264',
  'V_MPEGH/ISO/HEVC': 'video/h265',
};

/** Where to send a stream's media. Creates the stream if there is none, as producers do. */
export async function putMediaEndpoint(
  api: KinesisVideoApi,
  stream: { streamName: string; codecId: string },
  abortSignal: AbortSignal,
): Promise<string> {
  const name = { StreamName: stream.streamName };
  try {
    await api.describeStream(name, { abortSignal });
  } catch (error) {
    if (errorName(error) !== 'ResourceNotFoundException') throw error;
    const MediaType = MEDIA_TYPES[stream.codecId] ?? 'video/x-matroska';
    await api.createStream({ ...name, MediaType, DataRetentionInHours: RETENTION_HOURS }, { abortSignal });
  }
  const { DataEndpoint } = await api.getDataEndpoint({ ...name, APIName: 'PUT_MEDIA' }, { abortSignal });
  if (DataEndpoint === undefined) throw new Error('GetDataEndpoint answered without a DataEndpoint');
  return DataEndpoint;
}

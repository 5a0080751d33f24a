import * as z from 'zod';

/** The content types that the endpoint can be sent; `application/x-image` is JPEG bytes under that name. */
export const CONTENT_TYPES = [
  'image/jpeg',
  'image/png',
  'image/bmp',
  'image/gif',
  'application/x-image',
] as const;
export type ContentType = (typeof CONTENT_TYPES)[number];

const MINUTE = 60_000;

const MIB = 1024 * 1024;

const streamName = z
  .string()
  .regex(
    /^([a-zA-Z0-9_.-]{0,256}|arn:[a-z\d-]+:kinesisvideo:[a-z0-9-]+:\d{12}:stream\/[a-zA-Z0-9_.-]{1,256}\/\d+)$/,
    'a Kinesis video stream name (1 to 256 of a-z A-Z 0-9 _ . -) or its ARN',
  );

export const tagFilter = z.strictObject({
  key: z.string().min(1).max(128).describe('Tag key'),
  values: z.array(z.string().max(256)).max(20).default([]).describe('Any of these; none = any value'),
});

const endpointName = z
  .string()
  .regex(/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,62})$/, 'a SageMaker endpoint name: 1 to 63 of a-z A-Z 0-9 -');
const contentType = z.enum(CONTENT_TYPES);
const inferenceInterval = z.int().min(1).max(1_000_000);
const variant = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9-]{0,62}$/, 'a name in SageMaker: 1 to 63 of a-z A-Z 0-9 -');
const targetModel = z
  .string()
  .regex(
    /^[!-~][ -~]{0,1023}$/,
    "the model's path below the endpoint's S3 prefix: 1 to 1024 characters of ASCII",
  );

export const endpointSchema = z.strictObject({
  name: endpointName.describe('Name of the SageMaker endpoint'),
  acceptContentType: contentType.optional().describe('Default: endPointAcceptContentType'),
  inferenceInterval: inferenceInterval.optional().describe('Default: inferenceInterval of the whole'),
  streams: z
    .array(z.union([streamName, tagFilter]))
    .min(1)
    .optional()
    .describe(
      'Streams whose frames it gets: those named, and those that match all tag filters. Default: all',
    ),
  targetVariant: variant.optional().describe('Default: sageMakerTargetVariant'),
  targetModel: targetModel.optional().describe('Default: sageMakerTargetModel'),
  inferenceComponent: variant.optional().describe('Default: sageMakerInferenceComponent'),
});

/**
 * The keys of the JSON object in the SSM parameter. The first ten are those of AWS's Kinesis Video Streams Inference
 * Template (KIT), with its defaults: an existing KIT parameter works unchanged. All others are additions.
 * Keys ending in `InMilli` are milliseconds.
 */
export const configKeys = z
  .strictObject({
    $schema: z.string().optional().describe('For editors; ignored'),
    streamNames: z
      .array(streamName)
      .default([])
      .transform((names) => [...new Set(names.filter((name) => name !== ''))])
      .describe('Kinesis video streams to read, by name or ARN; empty names are ignored'),
    tagFilters: z
      .array(tagFilter)
      .max(50)
      .default([])
      .describe('Streams to read, by tag: filters are ANDed, the values of one filter ORed'),
    sageMakerEndpoint: endpointName
      .optional()
      .describe(
        'Name of the SageMaker endpoint that is asked about each sampled frame; needed without endpoints',
      ),
    endPointAcceptContentType: contentType
      .default('image/jpeg')
      .describe('Content type that the endpoint accepts: what each frame is encoded as'),
    kdsStreamName: z
      .string()
      .regex(/^[a-zA-Z0-9_.-]{1,128}$/, 'a Kinesis data stream name: 1 to 128 of a-z A-Z 0-9 _ . -')
      .describe('Kinesis data stream that the results are put into'),
    inferenceInterval: inferenceInterval.default(6).describe('Every Nth I-frame of a stream is sampled'),
    sageMakerTaskQueueSize: z
      .int()
      .min(1)
      .max(100_000)
      .default(5000)
      .describe('Sampled frames that may be under way at once for an endpoint, waiting or in flight'),
    sageMakerTaskThreadPoolSize: z
      .int()
      .min(1)
      .max(1000)
      .default(20)
      .describe('Calls to the endpoint at once'),
    sageMakerTaskTimeoutInMilli: z
      .int()
      .min(1)
      .max(10 * MINUTE)
      .default(20_000)
      .describe('Longest wait for one answer of the endpoint, per attempt'),
    sageMakerTaskThreadPoolName: z
      .string()
      .max(128)
      .default('SageMakerThreadPool-%d')
      .describe('Name of a pool slot in log lines; %d is its number'),

    mode: z
      .enum(['lossless', 'live'])
      .optional()
      .describe(
        'lossless (default): reading waits for the endpoint. live: queueFullPolicy dropOldest, maxFrameAgeInMilli 5000, maxWaitingFramesPerStream 2',
      ),
    queueFullPolicy: z
      .enum(['block', 'dropOldest'])
      .optional()
      .describe(
        "When a queue is full: block (reading stops) or dropOldest (the stream's oldest waiting frame goes)",
      ),
    maxFrameAgeInMilli: z
      .int()
      .min(0)
      .max(24 * 60 * MINUTE)
      .optional()
      .describe('A frame that is older at its turn is dropped; 0 = off'),
    maxWaitingFramesPerStream: z
      .int()
      .min(0)
      .max(100_000)
      .optional()
      .describe('Frames of one stream that may wait for an endpoint; 0 = no limit but those of the queue'),
    sageMakerTaskQueueBytes: z
      .int()
      .min(MIB)
      .max(1024 * 1024 * MIB)
      .optional()
      .describe(
        'Bytes of the compressed frames in all queues; default: a quarter of the memory limit, at least 64 MiB',
      ),
    sageMakerMaxAttempts: z
      .int()
      .min(1)
      .max(100)
      .default(5)
      .describe('Calls for one frame while the endpoint answers others'),
    sageMakerMaxPayloadBytes: z
      .int()
      .min(1024)
      .max(25 * MIB)
      .default(6 * MIB)
      .describe('A picture of more bytes is encoded again smaller'),
    sageMakerTargetVariant: variant.optional().describe('TargetVariant of InvokeEndpoint'),
    sageMakerTargetModel: targetModel.optional().describe('TargetModel of InvokeEndpoint'),
    sageMakerInferenceComponent: variant.optional().describe('InferenceComponentName of InvokeEndpoint'),
    imageMaxWidth: z.int().min(1).max(65_535).optional().describe('Pixels; wider pictures are made smaller'),
    imageMaxHeight: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe('Pixels; higher pictures are made smaller'),
    imageQuality: z
      .int()
      .min(1)
      .max(100)
      .default(100)
      .describe("Of JPEG; 100 is FFmpeg's -q:v 2, 1 its -q:v 31"),
    endpoints: z
      .array(endpointSchema)
      .min(1)
      .max(20)
      .optional()
      .describe('Several endpoints in place of sageMakerEndpoint, each with the streams that it gets'),
    publishFailures: z
      .boolean()
      .default(false)
      .describe('Publish a record with error for each frame that fails for good'),
    maxRecordBytes: z
      .int()
      .min(16 * 1024)
      .max(10 * MIB)
      .default(MIB)
      .describe("The data stream's limit for one record"),
    resultBucket: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'an S3 bucket name: 3 to 63 of a-z 0-9 . -')
      .optional()
      .describe('S3 bucket for outputs that are too large for a record'),
    configRefreshIntervalInMilli: z
      .int()
      .min(1000)
      .max(60 * MINUTE)
      .default(30_000)
      .describe('How often this parameter is read again; what has changed is applied at once'),

    startPosition: z
      .enum(['NOW', 'EARLIEST'])
      .default('NOW')
      .describe('Where a stream that has no lease yet is read from'),
    leaseTable: z
      .string()
      .regex(/^[a-zA-Z0-9_.-]{3,255}$/, 'a DynamoDB table name: 3 to 255 of a-z A-Z 0-9 _ . -')
      .optional()
      .describe("DynamoDB table of the leases; default: the last path segment of the parameter's name"),
    createLeaseTable: z.boolean().default(true).describe('Create the lease table if it does not exist'),
    leaseSyncIntervalInMilli: z
      .int()
      .min(1000)
      .max(60 * MINUTE)
      .default(MINUTE)
      .describe('How often the streams are looked up, and their leases created or retired'),
    failoverTimeInMilli: z
      .int()
      .min(1000)
      .max(10 * MINUTE)
      .default(10_000)
      .describe('A worker that gives no sign of life for this long loses its leases to the others'),
    checkpointIntervalInMilli: z
      .int()
      .min(100)
      .max(10 * MINUTE)
      .default(5000)
      .describe('How often progress is written to the lease table, if there is any'),
    readStallTimeoutInMilli: z
      .int()
      .min(1000)
      .max(10 * MINUTE)
      .default(30_000)
      .describe('A connection that is silent, or that a full queue has blocked, for this long is replaced'),
    outageToSurviveInHours: z
      .number()
      .min(0)
      .max(87_600)
      .default(1)
      .describe('A warning names each stream that keeps its video for a shorter time; 0 = no warnings'),
    stopTimeoutInMilli: z
      .int()
      .min(1000)
      .max(2 * MINUTE)
      .default(30_000)
      .describe('Time from SIGTERM to SIGKILL, as the task definition has it (stopTimeout)'),
    metricsIntervalInMilli: z
      .int()
      .min(100)
      .max(2 * MINUTE)
      .default(MINUTE)
      .describe('How often metrics are written to the log'),
    metricsPerStream: z
      .boolean()
      .default(false)
      .describe('Write the metrics of each stream, beside those of the whole application'),
  })
  .meta({ title: 'kvs-inference configuration' });

/** The keys as they are given, with the defaults of those that do not depend on others. */
export type ConfigKeys = z.infer<typeof configKeys>;

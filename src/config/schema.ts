import { z } from 'zod';

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

const streamName = z
  .string()
  .regex(
    /^([a-zA-Z0-9_.-]{0,256}|arn:[a-z\d-]+:kinesisvideo:[a-z0-9-]+:\d{12}:stream\/[a-zA-Z0-9_.-]{1,256}\/\d+)$/,
    'a Kinesis video stream name (1 to 256 of a-z A-Z 0-9 _ . -) or its ARN',
  );

const tagFilter = z.strictObject({
  key: z.string().min(1).max(128).describe('Tag key'),
  values: z.array(z.string().max(256)).max(20).default([]).describe('Any of these; none = any value'),
});

/**
 * The JSON object in the SSM parameter. The first ten keys are those of AWS's Kinesis Video Streams Inference
 * Template (KIT), with its defaults: an existing KIT parameter works unchanged. All others are additions.
 * Keys ending in `InMilli` are milliseconds.
 */
export const configSchema = z
  .strictObject({
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
    sageMakerEndpoint: z
      .string()
      .regex(/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,62})$/, 'a SageMaker endpoint name: 1 to 63 of a-z A-Z 0-9 -')
      .describe('Name of the SageMaker endpoint that is asked about each sampled frame'),
    endPointAcceptContentType: z
      .enum(CONTENT_TYPES)
      .default('image/jpeg')
      .describe('Content type that the endpoint accepts: what each frame is encoded as'),
    kdsStreamName: z
      .string()
      .regex(/^[a-zA-Z0-9_.-]{1,128}$/, 'a Kinesis data stream name: 1 to 128 of a-z A-Z 0-9 _ . -')
      .describe('Kinesis data stream that the results are put into'),
    inferenceInterval: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(6)
      .describe('Every Nth I-frame of a stream is sampled'),
    sageMakerTaskQueueSize: z
      .int()
      .min(1)
      .max(100_000)
      .default(5000)
      .describe('Sampled frames that may be under way at once, waiting or in flight; reading stops above it'),
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
    stopTimeoutInMilli: z
      .int()
      .min(1000)
      .max(2 * MINUTE)
      .default(30_000)
      .describe('Time from SIGTERM to SIGKILL, as the task definition has it (stopTimeout)'),
    metricsIntervalInMilli: z
      .int()
      .min(100)
      .max(10 * MINUTE)
      .default(MINUTE)
      .describe('How often metrics are written to the log'),
    metricsPerStream: z
      .boolean()
      .default(false)
      .describe('Write the metrics of each stream, beside those of the whole application'),
  })
  .superRefine((config, context) => {
    if (config.streamNames.length === 0 && config.tagFilters.length === 0) {
      context.addIssue({
        code: 'custom',
        path: ['streamNames'],
        message: 'at least one stream name, or tagFilters',
        input: config.streamNames,
      });
    }
  })
  .meta({ title: 'kvs-inference configuration' });

export type Config = z.infer<typeof configSchema>;

import * as z from 'zod';

/**
 * The record in the Kinesis data stream: the one contract between the publisher and everything that reads it.
 * The first four fields are those of AWS's Kinesis Video Streams Inference Template (KIT), byte for byte; the
 * two metadata fields are Java `toString` texts that KIT users parse with regular expressions.
 *
 * A record with `error` is about a frame that there is no output of, or none that a record holds.
 *
 * Delivery is at least once: `id` is the same for the same frame however often it is published.
 * Order between records is not promised.
 */
export const resultRecordSchema = z
  .object({
    streamName: z.string().describe('Name of the Kinesis video stream'),
    fragmentMetaData: z.string().describe('KIT text: FragmentMetadata(fragmentNumberString=…, …)'),
    frameMetaData: z.string().describe('KIT text: Frame(trackNumber=…, timeCode=…, keyFrame=…, …)'),
    sageMakerOutput: z
      .base64()
      .describe("The endpoint's response body, base64; empty beside error and sageMakerOutputUri"),
    id: z
      .string()
      .describe(
        'Stream name, fragment number and frame index, of several endpoints its name too, joined by "/"',
      ),
    schemaVersion: z.literal(1),
    fragmentNumber: z
      .string()
      .regex(/^\d+$/)
      .describe('Decimal, up to 47 digits: text, as no number holds it'),
    serverTimestamp: z.iso.datetime().describe('When Kinesis Video Streams received the fragment'),
    producerTimestamp: z.iso.datetime().nullable().describe('When the producer says the fragment starts'),
    frame: z.object({
      index: z.int().nonnegative().describe("The frame's ordinal in its track within the fragment, from 0"),
      trackNumber: z.int().positive(),
      offsetMillis: z.int().describe("Milliseconds after the fragment's start"),
      width: z.int().positive().nullable().describe('Of the picture, pixels; null if there is none'),
      height: z.int().positive().nullable().describe('Of the picture, pixels; null if there is none'),
    }),
    endpoint: z.string().describe('Name of the SageMaker endpoint'),
    contentType: z
      .string()
      .nullable()
      .describe("Content type of the endpoint's answer; null if there is none"),
    inferenceMillis: z
      .number()
      .nonnegative()
      .nullable()
      .describe('Duration of the successful InvokeEndpoint attempt; null if there is none'),
    picture: z
      .object({
        quality: z.number().nullable().describe('1 to 100; null if the format has none'),
        width: z.int().positive(),
        height: z.int().positive(),
        fromBytes: z.int().positive().describe('Its size before'),
      })
      .optional()
      .describe('What the picture was reduced to, if it was larger than the endpoint takes'),
    error: z
      .string()
      .optional()
      .describe(
        'What the frame has failed with, such as ModelError; RESULT_TOO_LARGE: no record holds the output',
      ),
    errorMessage: z.string().optional(),
    attempts: z.int().nonnegative().optional().describe('Calls of the endpoint for a frame that has failed'),
    sageMakerOutputBytes: z
      .int()
      .nonnegative()
      .optional()
      .describe('Size of an output that is not in the record'),
    sageMakerOutputUri: z
      .string()
      .regex(/^s3:\/\//)
      .optional()
      .describe('Where an output is that no record holds: s3://bucket/key'),
  })
  .meta({ title: 'kvs-inference result record' });

export type ResultRecord = z.infer<typeof resultRecordSchema>;

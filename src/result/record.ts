import { z } from 'zod';

/**
 * The record in the Kinesis data stream: the one contract between the publisher and everything that reads it.
 * The first four fields are those of AWS's Kinesis Video Streams Inference Template (KIT), byte for byte; the
 * two metadata fields are Java `toString` texts that KIT users parse with regular expressions.
 *
 * Delivery is at least once: `id` is the same for the same frame however often it is published.
 * Order between records is not promised.
 */
export const resultRecordSchema = z
  .object({
    streamName: z.string().describe('Name of the Kinesis video stream'),
    fragmentMetaData: z.string().describe('KIT text: FragmentMetadata(fragmentNumberString=…, …)'),
    frameMetaData: z.string().describe('KIT text: Frame(trackNumber=…, timeCode=…, keyFrame=…, …)'),
    sageMakerOutput: z.base64().describe("The endpoint's response body, base64"),
    id: z.string().describe('Stream name, fragment number and frame index, joined by "/"'),
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
      width: z.int().positive().describe('Of the picture that was sent, pixels'),
      height: z.int().positive().describe('Of the picture that was sent, pixels'),
    }),
    endpoint: z.string().describe('Name of the SageMaker endpoint'),
    contentType: z.string().describe("Content type of the endpoint's answer"),
    inferenceMillis: z.number().nonnegative().describe('Duration of the successful InvokeEndpoint attempt'),
  })
  .meta({ title: 'kvs-inference result record' });

export type ResultRecord = z.infer<typeof resultRecordSchema>;

export const RESULT_SCHEMA_VERSION = 1;

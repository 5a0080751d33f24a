import type { KinesisStreamEvent } from 'aws-lambda';
import { type ResultRecord, resultRecordSchema } from '../../src/result/record.ts';
import { frameId } from '../../src/stream/sampled-frame.ts';

const FRAGMENT_NUMBER = '91343852333181432392682062607743920146264172589';
const FIRST_SEQUENCE_NUMBER = 49590338271490256608559692538361571095921575989136588898n;

/** A record as AWS KIT publishes it: producer at 2023-11-16T13:20:21.761Z, server 2,288 ms later. */
export function kitRecord(output: unknown) {
  return {
    streamName: 'front-door',
    fragmentMetaData:
      `FragmentMetadata(fragmentNumberString=${FRAGMENT_NUMBER}, serverSideTimestampMillis=1700140824049, ` +
      `producerSideTimestampMillis=1700140821761, fragmentNumber=${FRAGMENT_NUMBER}, success=true, errorId=0, ` +
      'errorCode=null, millisBehindNow=OptionalLong.empty, continuationToken=Optional.empty)',
    frameMetaData:
      'Frame(trackNumber=1, timeCode=0, keyFrame=true, invisible=false, discardable=false, lacing=NO)',
    sageMakerOutput: Buffer.from(typeof output === 'string' ? output : JSON.stringify(output)).toString(
      'base64',
    ),
  };
}

/** A record as we publish it, valid by the schema. */
export function resultRecord(output: unknown, fields: Partial<ResultRecord> = {}): ResultRecord {
  return resultRecordSchema.parse({
    ...kitRecord(output),
    id: frameId('front-door', FRAGMENT_NUMBER, 4),
    schemaVersion: 1,
    fragmentNumber: FRAGMENT_NUMBER,
    serverTimestamp: '2023-11-16T13:20:24.049Z',
    producerTimestamp: '2023-11-16T13:20:21.761Z',
    frame: { index: 4, trackNumber: 1, offsetMillis: 160, width: 1280, height: 720 },
    endpoint: 'detector',
    contentType: 'application/json',
    inferenceMillis: 41.5,
    ...fields,
  });
}

export function base64(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64');
}

/** What Lambda passes for a Kinesis event source mapping: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html */
export function kinesisEvent(...data: string[]): KinesisStreamEvent {
  return {
    Records: data.map((text, index) => ({
      kinesis: {
        kinesisSchemaVersion: '1.0',
        partitionKey: 'front-door',
        sequenceNumber: sequenceNumber(index),
        data: text,
        approximateArrivalTimestamp: 1700140824.987,
      },
      eventSource: 'aws:kinesis',
      eventVersion: '1.0',
      eventID: `shardId-000000000006:${sequenceNumber(index)}`,
      eventName: 'aws:kinesis:record',
      invokeIdentityArn: 'arn:aws:iam::123456789012:role/lambda-role',
      awsRegion: 'us-east-2',
      eventSourceARN: 'arn:aws:kinesis:us-east-2:123456789012:stream/results',
    })),
  };
}

export function sequenceNumber(index: number): string {
  return String(FIRST_SEQUENCE_NUMBER + BigInt(index));
}

/** A dog and two persons, one of them below KIT's threshold. */
export const PREDICTION = {
  prediction: [
    [16, 0.8641945540904998, 0.3088374733924866, 0.07030484080314636, 0.7110607028007507, 0.9345266819000244],
    [0, 0.733766233921051, 0.5714187026023865, 0.40427327156066895, 0.827075183391571, 0.9712159633636475],
    [0, 0.1499, 0.1, 0.1, 0.2, 0.2],
  ],
};

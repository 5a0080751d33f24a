import type { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import {
  type KinesisClient,
  PutRecordsCommand,
  type PutRecordsCommandOutput,
  type PutRecordsResultEntry,
} from '@aws-sdk/client-kinesis';
import { base64Length, type EncodedRecord, writeData } from './build.ts';

const BEGINNING = '{"Records":[';
const DATA = '{"Data":"';
const SEPARATED_DATA = `,${DATA}`;
const NO_ANSWER = Buffer.from('{}');

interface Response {
  readonly statusCode: number;
  body: Readable | Buffer;
}

/**
 * PutRecords (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html) with a body of our own, and
 * an answer that we read. The SDK does all the rest; its serializer writes base64 byte by byte in JavaScript, which took
 * a third of all CPU time of a client that does nothing but PutRecords, and its deserializer walks a schema for each
 * record: bench/publish.
 *
 * @returns what has become of the records, in their order
 */
export async function putRecords(
  kinesis: Pick<KinesisClient, 'send'>,
  streamName: string,
  records: readonly EncodedRecord[],
  abortSignal: AbortSignal,
): Promise<readonly PutRecordsResultEntry[]> {
  const command = new PutRecordsCommand({ StreamName: streamName, Records: [] });
  let results: readonly PutRecordsResultEntry[] = [];
  command.middlewareStack.add(
    (next) => async (call) => {
      (call.request as { body: Buffer }).body = requestBody(streamName, records);
      return await next(call);
    },
    // After the SDK's own serializer.
    { step: 'serialize', priority: 'low', name: 'putRecords' },
  );
  command.middlewareStack.add(
    (next) => async (call) => {
      const result = await next(call);
      const response = result.response as Response;
      if (response.statusCode < 300) {
        const answer = (await json(response.body as Readable)) as PutRecordsCommandOutput;
        results = answer.Records ?? [];
        response.body = NO_ANSWER;
      }
      return result;
    },
    // Nearer to the wire than the SDK's own deserializer, which is left the errors.
    { step: 'deserialize', priority: 'low', name: 'putRecordsAnswer' },
  );
  await kinesis.send(command, { abortSignal });
  return results;
}

/** Each record's text is written where it belongs: joined as strings, they would be copied four times. */
function requestBody(streamName: string, records: readonly EncodedRecord[]): Buffer {
  const end = `],"StreamName":${JSON.stringify(streamName)}}`;
  const keys = new Map<string, string>();
  let bytes = BEGINNING.length + Buffer.byteLength(end);
  let largest = 0;
  for (const record of records) {
    let key = keys.get(record.streamName);
    if (key === undefined) {
      key = `","PartitionKey":${JSON.stringify(record.streamName)}}`;
      keys.set(record.streamName, key);
    }
    bytes += SEPARATED_DATA.length + base64Length(record.dataBytes) + Buffer.byteLength(key);
    largest = Math.max(largest, record.dataBytes);
  }
  const body = Buffer.allocUnsafe(bytes);
  const data = Buffer.allocUnsafe(largest);
  let position = body.write(BEGINNING);
  records.forEach((record, index) => {
    writeData(record, data);
    position += body.write(index === 0 ? DATA : SEPARATED_DATA, position, 'latin1');
    position += body.write(data.toString('base64', 0, record.dataBytes), position, 'latin1');
    position += body.write(keys.get(record.streamName) ?? '', position);
  });
  position += body.write(end, position);
  return body.subarray(0, position);
}

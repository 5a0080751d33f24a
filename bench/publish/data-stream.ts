import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listenOnLoopback } from '../../test/support/loopback.ts';

/** Stands before the partition key of each record, and nowhere else: data is base64, and has no quotation marks. */
const PARTITION_KEY = Buffer.from('"PartitionKey":');
const RECORD =
  '{"SequenceNumber":"49607240692344560000000000000000000000000000000000000001","ShardId":"shardId-0"}';
const HEADERS = { 'content-type': 'application/x-amz-json-1.1' };

/** What has come since the last time. */
interface Arrived {
  readonly requests: number;
  readonly records: number;
  /** Of the requests' bodies. */
  readonly bytes: number;
}

/**
 * A Kinesis data stream that takes every record at once, and counts them: all that PutRecords costs is with who calls it.
 */
export async function startDataStream() {
  let arrived = { requests: 0, records: 0, bytes: 0 };
  const answers = new Map<number, string>();
  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    if (incoming.headers['x-amz-target'] !== 'Kinesis_20131202.PutRecords') {
      response.writeHead(400, HEADERS).end('{"__type":"UnknownOperationException"}');
      return;
    }
    const body = Buffer.concat(chunks);
    const records = count(body, PARTITION_KEY);
    arrived.requests += 1;
    arrived.records += records;
    arrived.bytes += body.length;
    const text = answers.get(records) ?? answerOf(records);
    answers.set(records, text);
    response.writeHead(200, { ...HEADERS, 'content-length': String(text.length) }).end(text);
  };
  const server = createServer((incoming, response) => {
    answer(incoming, response).catch(() => response.destroy());
  });
  const listening = await listenOnLoopback(server);
  return {
    ...listening,
    take(): Arrived {
      const taken = arrived;
      arrived = { requests: 0, records: 0, bytes: 0 };
      return taken;
    },
  };
}

function answerOf(records: number): string {
  return `{"EncryptionType":"NONE","FailedRecordCount":0,"Records":[${Array(records).fill(RECORD).join(',')}]}`;
}

function count(body: Buffer, text: Buffer): number {
  let times = 0;
  for (let at = body.indexOf(text); at !== -1; at = body.indexOf(text, at + text.length)) times += 1;
  return times;
}

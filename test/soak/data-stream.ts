import { createServer } from 'node:http';
import { listenOnLoopback } from '../support/loopback.ts';

/**
 * Kinesis Data Streams, of which PutRecords alone (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html).
 * Keeps nothing: the emulator of the demo keeps everything, and takes the longer for a record the more it has.
 */
export async function startDataStream() {
  let sequence = 0;
  const store = () => {
    sequence += 1;
    return { SequenceNumber: String(sequence), ShardId: 'shardId-000000000000' };
  };
  const server = createServer(async (incoming, response) => {
    let body = '';
    for await (const chunk of incoming.setEncoding('utf8')) body += chunk;
    const { Records } = JSON.parse(body) as { Records: readonly unknown[] };
    response.setHeader('content-type', 'application/x-amz-json-1.1');
    response.end(JSON.stringify({ FailedRecordCount: 0, Records: Records.map(store) }));
  });
  return await listenOnLoopback(server);
}

import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { putRecords } from '../../src/result/put-records.ts';
import { serve } from '../support/http-server.ts';
import { localClient } from '../support/services.ts';

test("the request is the SDK's own", async () => {
  const server = await serve(() => ({ body: '{"FailedRecordCount":0,"Records":[]}' }));
  const kinesis = new KinesisClient(localClient(server.url));
  const records = ['', 'a', 'äöü', '{"id":"front-door/1/0"}'].map((text, index) => ({
    id: String(index),
    streamName: `camera "${index}" ü`,
    data: Buffer.from(text),
  }));
  try {
    await kinesis.send(putRecords('results', records));
    const Records = records.map(({ data, streamName }) => ({ Data: data, PartitionKey: streamName }));
    await kinesis.send(new PutRecordsCommand({ StreamName: 'results', Records }));
  } finally {
    kinesis.destroy();
    await server.close();
  }
  const [ours, theirs] = server.requests;
  expect(JSON.parse(String(ours?.body))).toEqual(JSON.parse(String(theirs?.body)));
  expect(ours?.headers).toMatchObject({
    'content-length': String(ours?.body.length),
    'content-type': theirs?.headers['content-type'],
    'x-amz-target': theirs?.headers['x-amz-target'],
  });
});

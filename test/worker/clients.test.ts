import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { DescribeStreamCommand } from '@aws-sdk/client-kinesis-video';
import { GetMediaCommand } from '@aws-sdk/client-kinesis-video-media';
import { GetParameterCommand } from '@aws-sdk/client-ssm';
import { createClients } from '../../src/worker/clients.ts';
import { serve } from '../support/http-server.ts';

const before = { ...process.env };

afterEach(() => {
  process.env = before;
});

test('all clients ask the container once for the credentials of its role', async () => {
  const agent = await serve(() => ({
    body: JSON.stringify({
      AccessKeyId: 'of-the-role',
      SecretAccessKey: 'secret',
      Token: 'token',
      Expiration: new Date(Date.now() + 3_600_000).toISOString(),
    }),
  }));
  const aws = await serve(() => ({ body: '{}' }));
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) delete process.env[name];
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: aws.url,
    AWS_REGION: 'eu-central-1',
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${agent.url}/role`,
    AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
    AWS_CONFIG_FILE: '/nowhere',
  });
  const clients = createClients();
  await clients.ssm.send(new GetParameterCommand({ Name: 'p' }));
  const item = new GetItemCommand({ TableName: 't', Key: { leaseKey: { S: 'k' } } });
  await Promise.all([clients.dynamoDb.send(item), clients.heartbeats.send(item)]);
  await clients.kinesisVideo.send(new DescribeStreamCommand({ StreamName: 'front' }));
  const media = clients.media(aws.url);
  await media.send(new GetMediaCommand({ StreamName: 'front', StartSelector: { StartSelectorType: 'NOW' } }));
  const signed = aws.requests.map(({ headers }) => headers.authorization);
  expect(signed).toHaveLength(5);
  for (const each of signed) expect(each).toMatch(/Credential=of-the-role\/\d+\/eu-central-1\//);
  expect(agent.requests).toHaveLength(1);
  media.destroy();
  clients.destroy();
  await aws.close();
  await agent.close();
});

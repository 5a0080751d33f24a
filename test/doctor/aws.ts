import { Denials } from '../../src/doctor/denials.ts';
import { createClients } from '../../src/worker/clients.ts';
import { type Answer, awsError, type ReceivedRequest, serve } from '../support/http-server.ts';
import { DETECTION } from '../support/local-services.ts';

export const CONFIG = {
  streamNames: ['front'],
  sageMakerEndpoint: 'detector',
  kdsStreamName: 'results',
  resultBucket: 'outputs',
};
export const PARAMETER = '/team/cameras';

export type Answers = Record<string, (request: ReceivedRequest, url: string) => Answer>;
export type Aws = Awaited<ReturnType<typeof startAws>>;

export const arnOf = (name: string) =>
  `arn:aws:kinesisvideo:us-east-1:123456789012:stream/${name}/1700000000000`;

/** All services in one, as they are where nothing is to be mended, and clients for them as the worker's. */
export async function startAws() {
  const answers: Answers = healthy();
  const server = await serve((request) => {
    const answer = answers[operationOf(request)];
    return answer === undefined ? awsError('UnknownOperationException') : answer(request, server.url);
  });
  const before = { ...process.env };
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: server.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  });
  const denials = new Denials();
  const clients = createClients(denials.note);
  return {
    url: server.url,
    clients,
    denials,
    answers,
    /** What each request of an operation was, so far. */
    requests: (operation: string) => server.requests.filter((request) => operationOf(request) === operation),
    operations: () => new Set(server.requests.map(operationOf)),
    putConfig: (keys: object) => {
      const Value = JSON.stringify({ ...CONFIG, ...keys });
      answers['GetParameter'] = () => json({ Parameter: { Value } });
    },
    close: async () => {
      clients.destroy();
      process.env = before;
      await server.close();
    },
  };
}

export function json(body: unknown): Answer {
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

/** As AWS words it. */
export function accessDenied(action: string, resource: string, type = 'AccessDeniedException'): Answer {
  const message = `User: arn:aws:sts::123456789012:assumed-role/task/1 is not authorized to perform: ${action} on resource: ${resource} because no identity-based policy allows the ${action} action`;
  return awsError(type, 403, { message, Message: message });
}

function operationOf({ path, headers }: ReceivedRequest): string {
  const target = headers['x-amz-target'];
  if (target !== undefined) return String(target).split('.').at(-1) ?? '';
  if (path.startsWith('/endpoints/')) return 'InvokeEndpoint';
  if (path.startsWith('/outputs/')) return 'PutObject';
  return path.charAt(1).toUpperCase() + path.slice(2);
}

function healthy(): Answers {
  const notWritten = () => awsError('ConditionalCheckFailedException');
  return {
    GetParameter: () => json({ Parameter: { Value: JSON.stringify(CONFIG) } }),
    DescribeStream: ({ body }) => {
      const { StreamName, StreamARN } = JSON.parse(body.toString());
      const info = { Status: 'ACTIVE', DataRetentionInHours: 24, StreamARN: StreamARN ?? arnOf(StreamName) };
      return json({ StreamInfo: info });
    },
    GetDataEndpoint: (_request, url) => json({ DataEndpoint: url }),
    GetMedia: () => ({ headers: { 'content-type': 'video/webm' }, trouble: 'trickle' }),
    GetResources: () =>
      json({ ResourceTagMappingList: [{ ResourceARN: arnOf('side') }], PaginationToken: '' }),
    InvokeEndpoint: () => DETECTION,
    PutRecords: () => awsError('InvalidArgumentException'),
    PutObject: () => ({}),
    DescribeTable: () => json({ Table: TABLE }),
    GetItem: () => json({}),
    BatchGetItem: () => json({ Responses: {}, UnprocessedKeys: {} }),
    Query: () => json({ Items: [] }),
    Scan: () => json({ Items: [] }),
    PutItem: notWritten,
    UpdateItem: notWritten,
    DeleteItem: notWritten,
  };
}

export const TABLE = {
  TableStatus: 'ACTIVE',
  AttributeDefinitions: [
    { AttributeName: 'leaseKey', AttributeType: 'S' },
    { AttributeName: 'leaseOwner', AttributeType: 'S' },
  ],
  KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
  GlobalSecondaryIndexes: [
    {
      IndexName: 'leaseOwner',
      IndexStatus: 'ACTIVE',
      KeySchema: [{ AttributeName: 'leaseOwner', KeyType: 'HASH' }],
      Projection: { ProjectionType: 'ALL' },
    },
  ],
};

import { systemClock } from '../../src/core/clock.ts';
import type { Finding } from '../../src/doctor/check.ts';
import { Denials } from '../../src/doctor/denials.ts';
import { type ExamineOptions, examine } from '../../src/doctor/doctor.ts';
import { LEASE_TABLE_SCHEMA } from '../../src/lease/table-setup.ts';
import { createClients } from '../../src/worker/clients.ts';
import { eventually } from '../support/eventually.ts';
import { type Answer, awsError, type ReceivedRequest, serve } from '../support/http-server.ts';
import { DETECTION } from '../support/local-services.ts';
import { ManualClock } from '../support/manual-clock.ts';

export const CONFIG = {
  streamNames: ['front'],
  sageMakerEndpoint: 'detector',
  kdsStreamName: 'results',
  resultBucket: 'outputs',
};
export const PARAMETER = '/team/cameras';

export type Answers = Record<string, (request: ReceivedRequest, url: string) => Answer>;
export type Aws = Awaited<ReturnType<typeof startAws>>;

const { signal } = new AbortController();

export const arnOf = (name: string) =>
  `arn:aws:kinesisvideo:us-east-1:123456789012:stream/${name}/1700000000000`;

/** All services in one, as they are where nothing is wrong, and clients for them as the worker's. */
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
  const findings = async (options: Partial<ExamineOptions> = {}): Promise<Finding[]> => {
    const source = { type: 'PARAMETER', name: PARAMETER } as const;
    const defaults = { source, parameterName: PARAMETER, clients, denials, clock: systemClock };
    return await examine({ ...defaults, ...options }, signal);
  };
  /** What of it is not right. */
  const troubles = async (...options: Parameters<typeof findings>) =>
    (await findings(...options)).filter(({ result }) => result !== 'ok');
  return {
    url: server.url,
    clients,
    denials,
    answers,
    answer: (operation: string, given: Answer) => {
      answers[operation] = () => given;
    },
    /** What doctor finds with the parameter. */
    findings,
    troubles,
    /** When an operation is never answered, after this time. */
    troublesWithout: async (operation: string, millis: number) => {
      answers[operation] = () => ({ trouble: 'hang' });
      const clock = new ManualClock();
      let open = 0;
      const running = troubles({
        clock,
        onProgress: ({ done, known }) => {
          open = known - done;
        },
      });
      await eventually(
        () => open === 1 && server.requests.some((request) => operationOf(request) === operation),
      );
      clock.advance(millis);
      return await running;
    },
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

const HASH_KEY_REFUSED = `Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was ${2n ** 128n}`;

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
    PutRecords: () => awsError('InvalidArgumentException', 400, { message: HASH_KEY_REFUSED }),
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
  ...LEASE_TABLE_SCHEMA,
  TableStatus: 'ACTIVE',
  GlobalSecondaryIndexes: LEASE_TABLE_SCHEMA.GlobalSecondaryIndexes.map((index) => ({
    ...index,
    IndexStatus: 'ACTIVE',
  })),
};

import { type Answer, awsError, type ReceivedRequest, serve } from '../support/http-server.ts';
import { ACCOUNT, REGION } from './fake-stack.ts';
import { type FakeParameters, FakeStacks } from './fake-stacks.ts';
import { hurriedClock } from './hurried-clock.ts';

/** Until a name that was deleted is free. */
const NAME_TAKEN_MILLIS = 30_000;

export const PASSWORD = 'the-password-of-the-registry';

/** An AWS account over HTTP, as far as a deployment asks it. Everything can be set and looked at. */
export async function startFakeAccount() {
  const parameters: FakeParameters = new Map();
  const account = {
    parameters,
    cloudFormation: new FakeStacks(parameters),
    /** Retention in hours. */
    streams: new Map([
      ['front', 24],
      ['back', 24],
    ]),
    taggedStreams: [] as string[],
    endpoints: new Map([['yolo-v8', 'InService']]),
    roles: new Set(['AWSServiceRoleForECS']),
    quotas: new Map([
      ['L-3032A538', 6],
      ['L-36FBB829', 6],
    ]),
    defaultQuotas: new Map<string, number>(),
    /** Of the service, stopped ones. */
    tasks: [] as Record<string, unknown>[],
    /** Lines by log streams. */
    logs: new Map<string, string[]>(),
    /** Addresses of images. */
    images: new Set<string>(),
    isBuildFailing: false,
    isBuildForgotten: false,
    hasCredentials: true,
    /** Keys by buckets. */
    objects: new Map<string, Map<string, Buffer>>(),
    areObjectsLocked: false,
    tables: new Set(['cameras-LeaseTable-0123456789AB']),
    /** Each call that changes something, with what it is about. */
    changes: [] as string[],
    onChange: (_change: string): void => undefined,
    /** Is told each call of a service with JSON before it is answered. */
    onRequest: (_target: string): void => undefined,
    /** Of StartBuild. */
    builds: [] as Record<string, unknown>[],
  };

  const deletedAt = new Map<string, number>();
  const isNameTaken = (name: string) =>
    hurriedClock.monotonic() - (deletedAt.get(name) ?? -Infinity) < NAME_TAKEN_MILLIS;
  account.cloudFormation.isNameTaken = isNameTaken;

  const json: Record<string, (input: Record<string, string>) => Answer> = {
    'AmazonSSM.GetParameter': ({ Name = '', WithDecryption }) => {
      const parameter = account.parameters.get(Name);
      if (parameter === undefined) return awsError('ParameterNotFound');
      const isHidden = parameter.Type === 'SecureString' && !WithDecryption;
      const Value = isHidden ? 'AQICAHhn' : parameter.Value;
      return ok({ Parameter: { Name, ...parameter, Value, Version: 1 } });
    },
    'AmazonSSM.PutParameter': ({ Name = '', Value = '', Type = 'String', Tier = 'Standard', Overwrite }) => {
      changed('PutParameter', Name);
      const isTaken = account.parameters.has(Name) ? !Overwrite : isNameTaken(Name);
      if (isTaken) return awsError('ParameterAlreadyExists');
      if (Value.length > 4096 && Tier === 'Standard') return awsError('ValidationException');
      account.parameters.set(Name, { Value, Type, Tier });
      return ok({ Version: 2 });
    },
    'AmazonSSM.DeleteParameter': ({ Name = '' }) => {
      changed('DeleteParameter', Name);
      if (!account.parameters.delete(Name)) return awsError('ParameterNotFound');
      deletedAt.set(Name, hurriedClock.monotonic());
      return ok({});
    },
    'AmazonEC2ContainerServiceV20141113.ListTasks': () =>
      account.cloudFormation.hasCluster
        ? ok({ taskArns: account.tasks.map(({ taskArn }) => taskArn) })
        : awsError('ClusterNotFoundException'),
    'AmazonEC2ContainerServiceV20141113.DescribeTasks': () => ok({ tasks: account.tasks }),
    'Logs_20140328.GetLogEvents': ({ logStreamName = '' }) => {
      const lines = account.logs.get(logStreamName);
      if (lines === undefined) return awsError('ResourceNotFoundException');
      return ok({ events: lines.map((message) => ({ message, timestamp: 1 })) });
    },
    'SageMaker.DescribeEndpoint': ({ EndpointName = '' }) => {
      const EndpointStatus = account.endpoints.get(EndpointName);
      const EndpointArn = `arn:aws:sagemaker:${REGION}:${ACCOUNT}:endpoint/${EndpointName.toLowerCase()}`;
      return EndpointStatus === undefined
        ? awsError('ValidationException', 400, { message: `Could not find endpoint "${EndpointName}".` })
        : ok({ EndpointName, EndpointStatus, EndpointArn });
    },
    'SageMaker.ListEndpoints': () =>
      ok({ Endpoints: [...account.endpoints.keys()].map((EndpointName) => ({ EndpointName })) }),
    'ServiceQuotasV20190624.GetServiceQuota': ({ QuotaCode = '' }) =>
      account.quotas.has(QuotaCode)
        ? ok({ Quota: { Value: account.quotas.get(QuotaCode) } })
        : awsError('NoSuchResourceException'),
    'ServiceQuotasV20190624.GetAWSDefaultServiceQuota': ({ QuotaCode = '' }) =>
      ok({ Quota: { Value: account.defaultQuotas.get(QuotaCode) } }),
    'ResourceGroupsTaggingAPI_20170126.GetResources': () =>
      ok({ ResourceTagMappingList: account.taggedStreams.map((ResourceARN) => ({ ResourceARN })) }),
    'AmazonEC2ContainerRegistry_V20150921.DescribeImages': (input) => {
      const { repositoryName, imageIds } = input as unknown as {
        repositoryName: string;
        imageIds: { imageTag: string }[];
      };
      const image = `${ACCOUNT}.dkr.ecr.${REGION}.amazonaws.com/${repositoryName}:${imageIds[0]?.imageTag}`;
      return account.images.has(image) ? ok({ imageDetails: [{}] }) : awsError('ImageNotFoundException');
    },
    'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken': () =>
      ok({
        authorizationData: [{ authorizationToken: Buffer.from(`AWS:${PASSWORD}`).toString('base64') }],
      }),
    'CodeBuild_20161006.StartBuild': (input) => {
      account.builds.push(input);
      return ok({ build: { id: 'kvs:1' } });
    },
    'CodeBuild_20161006.BatchGetBuilds': () => {
      if (account.isBuildForgotten) return ok({ builds: [] });
      const phases = [{ phaseType: 'PROVISIONING', phaseStatus: 'SUCCEEDED' }];
      const failed = { phaseType: 'BUILD', phaseStatus: 'FAILED', contexts: [{ message: 'no space left' }] };
      const build = account.isBuildFailing
        ? { buildStatus: 'FAILED', phases: [...phases, failed], logs: { deepLink: 'https://logs.example' } }
        : { buildStatus: 'SUCCEEDED', phases };
      return ok({ builds: [build] });
    },
    'CodeBuild_20161006.StopBuild': ({ id = '' }) => {
      changed('StopBuild', id);
      return ok({ build: { id } });
    },
    'DynamoDB_20120810.DeleteTable': ({ TableName = '' }) => {
      changed('DeleteTable', TableName);
      return account.tables.delete(TableName) ? ok({}) : awsError('ResourceNotFoundException');
    },
  };

  const query: Record<string, (input: Record<string, string>) => unknown> = {
    GetCallerIdentity: () => ({ Account: ACCOUNT, Arn: `arn:aws:iam::${ACCOUNT}:user/me`, UserId: 'me' }),
    GetRole: ({ RoleName = '' }) => (account.roles.has(RoleName) ? { Role: { RoleName } } : null),
    CreateServiceLinkedRole: () => {
      account.roles.add('AWSServiceRoleForECS');
      return {};
    },
  };

  function changed(action: string, about: string): void {
    account.changes.push(`${action} ${about}`);
    account.onChange(`${action} ${about}`);
  }

  function answerQuery(body: string): Answer {
    const input: Record<string, string> = Object.fromEntries(new URLSearchParams(body));
    const action = input['Action'] ?? '';
    if (action === 'GetCallerIdentity' && !account.hasCredentials) return xmlError('InvalidClientTokenId');
    const own = query[action];
    if (/^(Create|Execute|Delete)/.test(action)) {
      changed(action, input['StackName'] ?? input['AWSServiceName'] ?? '');
    }
    const error = account.cloudFormation.errors[action]?.shift();
    if (error !== undefined) return xmlError(error.code, error.message);
    const result = own?.(input) ?? account.cloudFormation.call(action, input, stackParameters(input));
    if (result === null) return xmlError(own === undefined ? 'ValidationError' : 'NoSuchEntity');
    return {
      headers: { 'content-type': 'text/xml' },
      body: `<${action}Response><${action}Result>${xml(result)}</${action}Result></${action}Response>`,
    };
  }

  function answerS3({ path, body, headers }: ReceivedRequest, method: string): Answer {
    const [, bucket = '', ...rest] = (path.split('?')[0] ?? '').split('/');
    const isBucket = account.objects.has(bucket) || method === 'PUT';
    if (!isBucket) return { status: 404, body: '<Error><Code>NoSuchBucket</Code></Error>' };
    const objects = account.objects.get(bucket) ?? new Map<string, Buffer>();
    account.objects.set(bucket, objects);
    if (method === 'PUT') objects.set(rest.join('/'), body);
    if (method === 'POST' && account.areObjectsLocked) {
      const error = '<Error><Key>sources</Key><Code>AccessDenied</Code><Message>locked</Message></Error>';
      return { headers: { 'content-type': 'text/xml' }, body: `<R>${error}</R>` };
    }
    if (method === 'POST') objects.clear();
    const list = [...objects.keys()].map((key) => `<Contents><Key>${key}</Key></Contents>`).join('');
    return { headers: { 'content-type': headers['content-type'] ?? '' }, body: `<R>${list}</R>` };
  }

  const server = await serve((request) => {
    const { path, headers, body } = request;
    const target = headers['x-amz-target'];
    if (typeof target === 'string') {
      account.onRequest(target);
      const answer = json[target];
      if (answer === undefined) throw new Error(`the fake account knows no ${target}`);
      return answer(JSON.parse(body.toString()));
    }
    if (path === '/describeStream') {
      const { StreamName = '', StreamARN = '' } = JSON.parse(body.toString());
      const retention = account.streams.get(StreamName || StreamARN.split('/')[1]);
      if (retention === undefined) return awsError('ResourceNotFoundException', 404);
      return ok({ StreamInfo: { StreamName, Status: 'ACTIVE', DataRetentionInHours: retention } });
    }
    if (path === '/listStreams') {
      return ok({ StreamInfoList: [...account.streams.keys()].map((StreamName) => ({ StreamName })) });
    }
    if (path === '/') return answerQuery(body.toString());
    const method = path.includes('delete') ? 'POST' : path.includes('list-type') ? 'GET' : 'PUT';
    return answerS3(request, method);
  });
  const deny = (target: string) => {
    json[target] = () => awsError('AccessDeniedException');
  };
  return Object.assign(account, { deny, url: server.url, requests: server.requests, close: server.close });
}

export type FakeAccount = Awaited<ReturnType<typeof startFakeAccount>>;

function ok(body: object): Answer {
  return { headers: { 'content-type': 'application/x-amz-json-1.1' }, body: JSON.stringify(body) };
}

function stackParameters(input: Record<string, string>): Record<string, string> {
  const parameters: Record<string, string> = {};
  for (let index = 1; ; index += 1) {
    const prefix = `Parameters.member.${index}`;
    const key = input[`${prefix}.ParameterKey`];
    if (key === undefined) return parameters;
    const isPrevious = input[`${prefix}.UsePreviousValue`] === 'true';
    parameters[key] = isPrevious ? 'UsePreviousValue' : (input[`${prefix}.ParameterValue`] ?? '');
  }
}

function xmlError(code: string, given?: string): Answer {
  const message = given ?? (code === 'ValidationError' ? 'Stack does not exist' : `${code} happened`);
  return {
    status: 400,
    headers: { 'content-type': 'text/xml' },
    body: `<ErrorResponse><Error><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
  };
}

function xml(value: unknown): string {
  if (Array.isArray(value)) return value.map((item) => `<member>${xml(item)}</member>`).join('');
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([name, item]) => `<${name}>${xml(item)}</${name}>`)
      .join('');
  }
  return String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('\r', '&#13;');
}

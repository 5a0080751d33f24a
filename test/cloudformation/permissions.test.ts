import { reachableCommands, type SdkCommand } from './commands.ts';
import { evaluate, type Parameters } from './evaluate.ts';
import { FULL, KEY, MINIMAL } from './examples.ts';
import { allowedActions, statements } from './policies.ts';
import { MAIN_TEMPLATE, readTemplate } from './template.ts';

/** IAM's prefix of each service: https://docs.aws.amazon.com/service-authorization/latest/reference/ */
const PREFIXES: Readonly<Record<string, string>> = {
  'client-dynamodb': 'dynamodb',
  'client-kinesis': 'kinesis',
  'client-kinesis-video': 'kinesisvideo',
  'client-kinesis-video-media': 'kinesisvideo',
  'client-resource-groups-tagging-api': 'tag',
  'client-s3': 's3',
  'client-sagemaker-runtime': 'sagemaker',
  'client-ssm': 'ssm',
};

/** What the worker can do, but not in this stack. */
const NOT_IN_THE_STACK = [
  // Its configuration says `"createLeaseTable":false`.
  'dynamodb:CreateTable',
  // Only where tag:GetResources is not permitted.
  'kinesisvideo:ListStreams',
  'kinesisvideo:ListTagsForStream',
];

/** For the data stream, the lease table and the bucket, where they are encrypted with a key of the user's. */
const WITH_A_KEY = ['kms:Decrypt', 'kms:GenerateDataKey'];

const WITH_A_BUCKET = ['s3:PutObject'];

const WITH_TAG_FILTERS = ['tag:GetResources'];

/**
 * What Lambda does in the function's name to read a data stream, to put what cannot be read into a queue, and to log
 * (https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html, …/kinesis-on-failure-destination.html). The two of
 * KMS are for reading the stream and for writing to the queue.
 */
const OF_THE_FUNCTION = [
  ...[
    'kinesis:DescribeStream',
    'kinesis:DescribeStreamSummary',
    'kinesis:GetRecords',
    'kinesis:GetShardIterator',
  ],
  ...['kinesis:ListShards', 'logs:CreateLogStream', 'logs:PutLogEvents', 'sqs:SendMessage'],
];

/** What ECS does to start a task: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html */
const OF_THE_START = [
  ...['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetAuthorizationToken'],
  ...['ecr:GetDownloadUrlForLayer', 'logs:CreateLogStream', 'logs:PutLogEvents'],
];

const template = readTemplate(MAIN_TEMPLATE);
const resourcesOf = (parameters: Parameters) => evaluate(template, parameters).resources;

const action = ({ client, name }: SdkCommand) => `${PREFIXES[client] ?? client}:${name}`;

async function actionsOf(...entryPoints: string[]): Promise<string[]> {
  const actions = (await reachableCommands(entryPoints)).map(action);
  return [...new Set(actions)].filter((each) => !NOT_IN_THE_STACK.includes(each)).sort();
}

test('the task may do exactly what the worker and the doctor can ask of AWS', async () => {
  const actions = await actionsOf('src/cli/worker.ts', 'src/cli/doctor.ts', 'src/cli/health.ts');
  expect(actions).toContain('kinesisvideo:GetMedia');
  expect(allowedActions(resourcesOf(FULL), 'TaskRole')).toEqual([...actions, ...WITH_A_KEY].sort());
});

test('and not what only further parameters need', async () => {
  const full = allowedActions(resourcesOf(FULL), 'TaskRole');
  const further = [...WITH_A_KEY, ...WITH_A_BUCKET, ...WITH_TAG_FILTERS];
  expect(full).toEqual(expect.arrayContaining(further));
  expect(allowedActions(resourcesOf(MINIMAL), 'TaskRole')).toEqual(
    full.filter((each) => !further.includes(each)),
  );
});

test('the doctor needs nothing that the worker does not', async () => {
  const ofWorker = await actionsOf('src/cli/worker.ts');
  const ofDoctor = await actionsOf('src/cli/doctor.ts');
  expect(ofDoctor.filter((each) => !ofWorker.includes(each))).toEqual([]);
});

test('the parser may do what Lambda does for it, and asks nothing of AWS itself', async () => {
  expect(await actionsOf('src/lambda/index.ts')).toEqual([]);
  expect(allowedActions(resourcesOf(MINIMAL), 'LambdaRole')).toEqual(OF_THE_FUNCTION);
  expect(allowedActions(resourcesOf(FULL), 'LambdaRole')).toEqual([...OF_THE_FUNCTION, ...WITH_A_KEY].sort());
});

test('ECS may pull the image and write the log', () => {
  expect(allowedActions(resourcesOf(FULL), 'ExecutionRole')).toEqual(OF_THE_START);
  const pull = statements(resourcesOf(MINIMAL), 'ExecutionRole').find(({ actions }) =>
    actions.includes('ecr:BatchGetImage'),
  );
  expect(pull?.resources).toEqual(['arn:aws:ecr:us-east-1:123456789012:repository/kvs-inference']);
});

test.each([
  ['ssm:GetParameter', 'arn:aws:ssm:us-east-1:123456789012:parameter/Params.Ref'],
  ['sagemaker:InvokeEndpoint', 'arn:aws:sagemaker:us-east-1:123456789012:endpoint/detector'],
  ['kinesis:PutRecords', 'Kds.Arn'],
  ['dynamodb:UpdateItem', 'LeaseTable.Arn'],
  ['dynamodb:Query', 'LeaseTable.Arn/index/leaseOwner'],
  ['s3:PutObject', 'arn:aws:s3:::my-results/kvs-inference/kvs-inference/*'],
  ['kms:Decrypt', KEY],
])('%s is allowed on %s alone', (name, resource) => {
  const resources = statements(resourcesOf(FULL), 'TaskRole')
    .filter(({ actions }) => actions.includes(name))
    .flatMap((statement) => statement.resources);
  expect(resources).toEqual([resource]);
});

test('the ARN of an endpoint, which is in lower case, stands for a name with capital letters', () => {
  const SageMakerEndpointArn = 'arn:aws:sagemaker:us-east-1:123456789012:endpoint/yolo-v8';
  const parameters = { ...MINIMAL, SageMakerEndpoint: 'YOLO-v8', SageMakerEndpointArn };
  const resources = statements(resourcesOf(parameters), 'TaskRole')
    .filter(({ actions }) => actions.includes('sagemaker:InvokeEndpoint'))
    .flatMap((statement) => statement.resources);
  expect(resources).toEqual([SageMakerEndpointArn]);
});

test.each([
  ['kvs-inference', 'kvs-inference'],
  ['kvs-inference:1.0', 'kvs-inference'],
  ['team/worker@sha256:00', 'team/worker'],
  ['team/worker:1.0@sha256:00', 'team/worker'],
])('of the image %s the repository is %s', (image, repository) => {
  const registry = '999999999999.dkr.ecr.eu-west-1.amazonaws.com';
  const resources = resourcesOf({ ...MINIMAL, DockerImageRepository: `${registry}/${image}` });
  const pull = statements(resources, 'ExecutionRole').find(({ actions }) =>
    actions.includes('ecr:BatchGetImage'),
  );
  expect(pull?.resources).toEqual([`arn:aws:ecr:eu-west-1:999999999999:repository/${repository}`]);
});

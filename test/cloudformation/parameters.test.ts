import type { Parameters } from './evaluate.ts';
import { FULL, KEY, MINIMAL } from './examples.ts';
import { refusals } from './parameters.ts';
import { MAIN_TEMPLATE, readTemplate } from './template.ts';

const template = readTemplate(MAIN_TEMPLATE);
const refused = (parameters: Parameters) => refusals(template, { ...MINIMAL, ...parameters });

test('the least and the most that can be given are accepted', () => {
  expect(refusals(template, MINIMAL)).toEqual([]);
  expect(refusals(template, FULL)).toEqual([]);
});

test('what has no default must be given', () => {
  expect(refusals(template, {})).toEqual(
    expect.arrayContaining([
      'SageMakerEndpoint: must have a value',
      'DockerImageRepository: must have a value',
      'StreamNames or TagFilters must say which streams are read.',
    ]),
  );
});

const ECR = '123456789012.dkr.ecr.eu-central-1.amazonaws.com';

/** Values that a parameter takes by itself, and those that it refuses with its message. */
const VALUES: Record<string, { right: (string | number)[]; wrong: (string | number)[] }> = {
  AppName: {
    right: ['a', 'front-door', 'kvs_inference_2'],
    wrong: ['', '1st', 'front door', 'a/b', 'a.b', 'AWS-cameras', 'ssm-cameras', 'a'.repeat(51)],
  },
  StreamNames: {
    right: ['a', '"a","b"', ' "a" , "b" ', 'a-b.c_d', 'a'.repeat(256)],
    wrong: [
      ...["'a'", 'a;b', 'ä', 'arn:aws:kinesisvideo:us-east-1:123456789012:stream/a/1', '["a"]', '*'],
      ...[',', 'a,', ',a', 'a,,b', '"', '""', ' ', 'a b', '"a" "b"', `${'a'.repeat(257)}`],
      `${'abcdefgh,'.repeat(500)}a`,
    ],
  },
  TagFilters: {
    right: [
      '{"key":"Location"}',
      '{"key":"Location","values":["Front","Parking"]}',
      ' {"key":"Location"} , {"key":"Site","values":[]}',
    ],
    wrong: [
      'Location',
      'Location=Front',
      '[{"key":"Location"}]',
      '"key":"Location"',
      '{"key":"Location"',
      '{"key":"a"},',
    ],
  },
  SageMakerEndpoint: {
    right: ['detector', 'YOLO-v8-1', 'a'.repeat(63)],
    wrong: [
      '',
      '-a',
      'a-',
      'a_b',
      'a.b',
      'a'.repeat(64),
      'arn:aws:sagemaker:us-east-1:123456789012:endpoint/a',
    ],
  },
  EndPointAcceptContentType: {
    right: ['image/jpeg', 'application/x-image'],
    wrong: ['', 'jpeg', 'image/webp', 'IMAGE/JPEG'],
  },
  InferenceInterval: { right: [1, 6, 1_000_000], wrong: [0, -1, 1_000_001, 1.5, 'six', ''] },
  MoreConfiguration: {
    right: ['"mode":"live"', ' "imageMaxWidth":1280,"mode":"live"'],
    wrong: ['mode:live', '{"mode":"live"}', ',"mode":"live"'],
  },
  DockerImageRepository: {
    right: [`${ECR}/kvs-inference`, `${ECR}/team/worker:1.0`, `${ECR}/worker@sha256:${'0'.repeat(64)}`],
    wrong: ['', 'kvs-inference:latest', 'docker.io/library/node:24', `${ECR}`, `${ECR}/`, `https://${ECR}/a`],
  },
  CpuArchitecture: { right: ['ARM64', 'X86_64'], wrong: ['', 'arm64', 'x86'] },
  Cpu: { right: [1024], wrong: ['', 100, 1000, 32_768, '1 vCPU'] },
  Memory: { right: [2048, 8192], wrong: ['', 256, 122_881, '2 GB'] },
  SageMakerEndpointArn: {
    right: ['', 'arn:aws:sagemaker:us-east-1:123456789012:endpoint/yolo-v8'],
    wrong: ['yolo-v8', 'arn:aws:sagemaker:us-east-1:123456789012:endpoint/YOLO-v8'],
  },
  MinWorkers: { right: [0, 1, 4], wrong: ['', -1, 'two'] },
  MaxWorkers: { right: [0, 1, 4, 1000], wrong: ['', -1] },
  LeasesPerWorker: { right: [1, 50, 10_000], wrong: ['', 0] },
  FargateSpotWeight: { right: [0, 4, 1000], wrong: ['', -1] },
  LambdaFunctionBucket: { right: ['my-code'], wrong: ['My_Code', 's3://my-code', 'ab', 'a'.repeat(64)] },
  LambdaFunctionKey: { right: ['parser.zip', 'builds/1/parser.zip'], wrong: ['a'.repeat(1025)] },
  LambdaFunctionHandler: {
    right: ['index.handler', 'parser.lambda_handler'],
    wrong: ['', 'a b', 'a'.repeat(129)],
  },
  LambdaFunctionRuntime: { right: ['nodejs24.x', 'python3.13'], wrong: ['node', 'Python 3', 'go1.x'] },
  VpcId: {
    right: ['vpc-0123456789abcdef0', 'vpc-0a1b2c3d'],
    wrong: ['default', 'vpc-', 'vpc-xyz', '10.0.0.0/16'],
  },
  SubnetIds: {
    right: ['subnet-0a1b2c3d', 'subnet-0a1b2c3d,subnet-0123456789abcdef0'],
    wrong: [
      'subnet-',
      'vpc-0a1b2c3d',
      'subnet-0a1b2c3d;subnet-4e5f6a7b',
      'subnet-0a1b2c3d, subnet-4e5f6a7b',
      'subnet-0a1b2c3d,',
    ],
  },
  SecurityGroupIds: {
    right: ['sg-0a1b2c3d', 'sg-0a1b2c3d,sg-4e5f6a7b'],
    wrong: ['default', 'sg-', 'sg-0a1b2c3d sg-4e5f6a7b'],
  },
  AssignPublicIp: { right: ['ENABLED'], wrong: ['', 'true', 'enabled'] },
  ResultRetentionHours: { right: [24, 168, 8760], wrong: ['', 0, 23, 8761] },
  ResultBucket: {
    right: ['my-results', 'results.example.com'],
    wrong: ['My', 's3://my-results', 'my-results/prefix', '-a-'],
  },
  LogRetentionInDays: { right: [1, 30, 3653], wrong: ['', 0, 2, 31, 'never'] },
  KmsKeyArn: {
    right: [KEY, KEY.replace('aws', 'aws-cn')],
    wrong: [
      '11111111-2222-3333-4444-555555555555',
      'alias/mine',
      KEY.replace('key/', 'alias/'),
      'arn:aws:kms:::key/1',
    ],
  },
  AlarmTopicArn: {
    right: [
      'arn:aws:sns:us-east-1:123456789012:alarms',
      'arn:aws-us-gov:sns:us-gov-west-1:123456789012:alarms',
    ],
    wrong: ['alarms', 'me@example.com', 'arn:aws:sqs:us-east-1:123456789012:alarms'],
  },
  MaxResultAgeInSeconds: { right: [10, 300, 86_400], wrong: ['', 0, 9, 'old'] },
};

/** What makes a value of a parameter right for the rules, too. */
const TOGETHER: Record<string, Parameters> = {
  LambdaFunctionBucket: { LambdaFunctionKey: 'parser.zip', LambdaFunctionRuntime: 'python3.13' },
  LambdaFunctionKey: { LambdaFunctionBucket: 'my-code', LambdaFunctionRuntime: 'python3.13' },
  LambdaFunctionHandler: FULL,
  LambdaFunctionRuntime: FULL,
  VpcId: { SubnetIds: 'subnet-0a1b2c3d' },
  SubnetIds: { VpcId: 'vpc-0a1b2c3d' },
  SecurityGroupIds: { VpcId: 'vpc-0a1b2c3d', SubnetIds: 'subnet-0a1b2c3d' },
};

test('there are values to try for every parameter', () => {
  expect(Object.keys(VALUES).sort()).toEqual(Object.keys(template.Parameters ?? {}).sort());
});

describe.each(Object.entries(VALUES))('%s', (name, { right, wrong }) => {
  test('takes what is right', () => {
    const results = right.map((value) => [value, refused({ ...TOGETHER[name], [name]: value })]);
    expect(results).toEqual(right.map((value) => [value, []]));
  });

  test('refuses what is wrong', () => {
    const taken = wrong.filter((value) => refused({ ...TOGETHER[name], [name]: value }).length === 0);
    expect(taken).toEqual([]);
  });
});

/** https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size */
const MEMORY_OF_CPU: Record<string, number[]> = {
  256: [512, 1024, 2048],
  512: steps(1024, 4096, 1024),
  1024: steps(2048, 8192, 1024),
  2048: steps(4096, 16_384, 1024),
  4096: steps(8192, 30_720, 1024),
  8192: steps(16_384, 61_440, 4096),
  16384: steps(32_768, 122_880, 8192),
};

test.each(template.Parameters?.['Cpu']?.AllowedValues ?? [])(
  'with %s Cpu units Memory is what Fargate has',
  (Cpu) => {
    const amounts = MEMORY_OF_CPU[Cpu] ?? [];
    const accepted = steps(512, 122_880, 512).filter((Memory) => refused({ Cpu, Memory }).length === 0);
    expect(accepted.filter((Memory) => !amounts.includes(Memory))).toEqual([]);
    // Not each step between is worth its bytes in the template.
    expect(accepted).toEqual(expect.arrayContaining([amounts[0], amounts.at(-1)]));
  },
);

describe('what contradicts itself is refused', () => {
  const network = { VpcId: 'vpc-0a1b2c3d', SubnetIds: 'subnet-0a1b2c3d' };
  test.each<[string, Parameters, RegExp]>([
    ['neither streams nor tags', { StreamNames: '' }, /StreamNames or TagFilters/],
    ['a VPC without subnets', { VpcId: 'vpc-0a1b2c3d' }, /SubnetIds/],
    ['subnets without a VPC', { SubnetIds: 'subnet-0a1b2c3d' }, /VpcId/],
    ['security groups without a VPC', { SecurityGroupIds: 'sg-0a1b2c3d' }, /VpcId/],
    ['no public address in the own VPC', { AssignPublicIp: 'DISABLED' }, /AssignPublicIp/],
    ['a key without a bucket', { LambdaFunctionKey: 'my-parser.zip' }, /LambdaFunctionBucket/],
  ])('%s', (_what, parameters, message) => {
    expect(refused(parameters).join('\n')).toMatch(message);
  });

  test.each<[string, Parameters]>([
    ['a VPC with subnets', network],
    ['a VPC with subnets and security groups', { ...network, SecurityGroupIds: 'sg-0a1b2c3d' }],
    ['private subnets', { ...network, AssignPublicIp: 'DISABLED' }],
    ['tags without streams', { StreamNames: '', TagFilters: '{"key":"Location"}' }],
    ['an own parser for Node', { LambdaFunctionBucket: 'my-code', LambdaFunctionKey: 'parser.zip' }],
  ])('but not %s', (_what, parameters) => {
    expect(refused(parameters)).toEqual([]);
  });
});

function steps(from: number, to: number, by: number): number[] {
  return Array.from({ length: (to - from) / by + 1 }, (_, index) => from + index * by);
}

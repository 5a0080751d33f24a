import type { Parameters } from './evaluate.ts';

/** Only what has no default, and a stream. */
export const MINIMAL: Parameters = {
  StreamNames: 'front',
  SageMakerEndpoint: 'detector',
  DockerImageRepository: '123456789012.dkr.ecr.us-east-1.amazonaws.com/kvs-inference:1.0',
};

export const KEY = 'arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555';

/** Everything that can be the user's own. */
export const FULL: Parameters = {
  ...MINIMAL,
  TagFilters: '{"key":"Location","values":["Front"]}',
  MoreConfiguration: '"mode":"live"',
  LambdaFunctionBucket: 'my-code',
  LambdaFunctionKey: 'parser.zip',
  LambdaFunctionHandler: 'parser.lambda_handler',
  LambdaFunctionRuntime: 'python3.13',
  VpcId: 'vpc-0123456789abcdef0',
  SubnetIds: 'subnet-0a1b2c3d,subnet-4e5f6a7b',
  SecurityGroupIds: 'sg-0a1b2c3d',
  AssignPublicIp: 'DISABLED',
  ResultBucket: 'my-results',
  KmsKeyArn: KEY,
  AlarmTopicArn: 'arn:aws:sns:us-east-1:123456789012:alarms',
};

const MODEL: Parameters = {
  ModelImage: '123456789012.dkr.ecr.us-east-1.amazonaws.com/kvs-inference:model',
};

/** What each template is evaluated with. */
export const EXAMPLES: Readonly<Record<string, Readonly<Record<string, Parameters>>>> = {
  'kvs-inference.yaml': { minimal: MINIMAL, full: FULL },
  'image.yaml': { 'without a project': {}, 'with a project': { UseCodeBuild: 'true' } },
  'sample-endpoint.yaml': { serverless: MODEL, 'on an instance': { ...MODEL, Hosting: 'Instance' } },
};

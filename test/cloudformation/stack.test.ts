import { evaluate, type Parameters } from './evaluate.ts';
import { FULL, KEY, MINIMAL } from './examples.ts';
import { refusals } from './parameters.ts';
import { objects } from './shown-metrics.ts';
import { isObject, type JsonObject, MAIN_TEMPLATE, readTemplate } from './template.ts';

const template = readTemplate(MAIN_TEMPLATE);
const resourcesOf = (parameters: Parameters) => evaluate(template, parameters).resources;
const propertiesOf = (parameters: Parameters, id: string): JsonObject =>
  resourcesOf(parameters)[id]?.Properties ?? {};

test('resources have the names that users of the old stack know', () => {
  expect(Object.keys(template.Resources)).toEqual(
    expect.arrayContaining(['Params', 'Kds', 'LambdaFunction', 'SageMakerDriverService']),
  );
});

test('the configuration is a parameter with the name of the application', () => {
  expect(propertiesOf({ ...MINIMAL, AppName: 'doors' }, 'Params')).toMatchObject({ Name: 'doors' });
});

describe('the network', () => {
  const ofNetwork = (parameters: Parameters) =>
    Object.entries(resourcesOf(parameters))
      .filter(([, { Type }]) => Type.startsWith('AWS::EC2::'))
      .map(([id]) => id);
  const placement = (parameters: Parameters) =>
    propertiesOf(parameters, 'SageMakerDriverService')['NetworkConfiguration'];

  test('is one of its own, with public addresses and without NAT', () => {
    expect(placement(MINIMAL)).toEqual({
      AwsvpcConfiguration: {
        AssignPublicIp: 'ENABLED',
        Subnets: ['SubnetA.Ref', 'SubnetB.Ref'],
        SecurityGroups: ['SecurityGroup.GroupId'],
      },
    });
    const types = Object.values(resourcesOf(MINIMAL)).map(({ Type }) => Type);
    expect(types).not.toContain('AWS::EC2::NatGateway');
    expect(propertiesOf(MINIMAL, 'SecurityGroup')).toMatchObject({ VpcId: 'Vpc.Ref' });
  });

  test('has its subnets in two zones', () => {
    const zones = ['SubnetA', 'SubnetB'].map((id) => propertiesOf(MINIMAL, id)['AvailabilityZone']);
    expect(zones).toEqual(['us-east-1a', 'us-east-1b']);
  });

  test('or the given one, of which nothing is made', () => {
    expect(ofNetwork(FULL)).toEqual([]);
    expect(placement(FULL)).toEqual({
      AwsvpcConfiguration: {
        AssignPublicIp: 'DISABLED',
        Subnets: ['subnet-0a1b2c3d', 'subnet-4e5f6a7b'],
        SecurityGroups: ['sg-0a1b2c3d'],
      },
    });
  });

  test('gets a security group where a VPC is given without one', () => {
    const parameters = { ...FULL, SecurityGroupIds: '' };
    expect(ofNetwork(parameters)).toEqual(['SecurityGroup']);
    expect(propertiesOf(parameters, 'SecurityGroup')).toMatchObject({ VpcId: FULL['VpcId'] });
  });
});

describe('the parser', () => {
  test('is the bundled one', () => {
    const { Code, ...rest } = propertiesOf(MINIMAL, 'LambdaFunction');
    expect(rest).toMatchObject({ Runtime: 'nodejs24.x', Handler: 'index.handler', Architectures: ['arm64'] });
    expect(isObject(Code) ? Object.keys(Code) : []).toEqual(['ZipFile']);
    expect(propertiesOf(MINIMAL, 'LambdaEventSource')).toMatchObject({
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      BisectBatchOnFunctionError: true,
      DestinationConfig: { OnFailure: { Destination: 'FailedRecords.Arn' } },
    });
  });

  test.each([{ LambdaFunctionRuntime: 'python3.13' }, { LambdaFunctionHandler: 'parser.lambda_handler' }])(
    'never runs as what it is not: %j alone is refused or passed over',
    (alone) => {
      const parameters = { ...MINIMAL, ...alone };
      if (refusals(template, parameters).length > 0) return;
      expect(propertiesOf(parameters, 'LambdaFunction')).toMatchObject({
        Runtime: 'nodejs24.x',
        Handler: 'index.handler',
      });
    },
  );

  test('or the given one, which need not answer in parts', () => {
    expect(propertiesOf(FULL, 'LambdaFunction')).toMatchObject({
      Runtime: 'python3.13',
      Handler: 'parser.lambda_handler',
      Architectures: ['x86_64'],
      Code: { S3Bucket: 'my-code', S3Key: 'parser.zip' },
    });
    expect(propertiesOf(FULL, 'LambdaEventSource')).not.toHaveProperty('FunctionResponseTypes');
  });
});

describe('a key of the user encrypts', () => {
  test.each([
    ['the results', 'Kds', { StreamEncryption: { EncryptionType: 'KMS', KeyId: KEY } }],
    [
      'the leases',
      'LeaseTable',
      { SSESpecification: { SSEEnabled: true, SSEType: 'KMS', KMSMasterKeyId: KEY } },
    ],
    ['the failed records', 'FailedRecords', { KmsMasterKeyId: KEY }],
    ["the worker's log", 'WorkerLogGroup', { KmsKeyId: KEY }],
    ["the parser's log", 'LambdaLogGroup', { KmsKeyId: KEY }],
  ])('%s', (_what, id, properties) => {
    expect(propertiesOf(FULL, id)).toMatchObject(properties);
    expect(JSON.stringify(propertiesOf(MINIMAL, id))).not.toContain('arn:aws:kms');
  });
});

test('the worker runs as the parameters say', () => {
  const parameters = {
    ...MINIMAL,
    Cpu: 512,
    Memory: 1024,
    CpuArchitecture: 'X86_64',
    MinWorkers: 2,
    MaxWorkers: 8,
  };
  const task = propertiesOf(parameters, 'TaskDefinition');
  expect(task).toMatchObject({
    RuntimePlatform: { OperatingSystemFamily: 'LINUX', CpuArchitecture: 'X86_64' },
  });
  expect([String(task['Cpu']), String(task['Memory'])]).toEqual(['512', '1024']);
  const [worker] = objects(task['ContainerDefinitions']);
  expect(worker).toMatchObject({ Image: MINIMAL['DockerImageRepository'], Memory: 1024, StopTimeout: 120 });
  expect(worker?.['Environment']).toContainEqual({ Name: 'CONFIG_PARAMETER', Value: 'Params.Ref' });
  expect(propertiesOf(parameters, 'ScalableTarget')).toMatchObject({ MinCapacity: 2, MaxCapacity: 8 });
});

test('the worker and the parser log into the groups of the stack', () => {
  const [worker] = objects(propertiesOf(MINIMAL, 'TaskDefinition')['ContainerDefinitions']);
  expect(worker?.['LogConfiguration']).toMatchObject({ Options: { 'awslogs-group': 'WorkerLogGroup.Ref' } });
  expect(propertiesOf(MINIMAL, 'LambdaFunction')).toMatchObject({
    LoggingConfig: { LogGroup: 'LambdaLogGroup.Ref' },
  });
});

test('what outputs say can be evaluated, whatever the parameters', () => {
  for (const parameters of [MINIMAL, FULL]) {
    const { outputs } = evaluate(template, parameters);
    expect(Object.values(outputs).filter((value) => typeof value !== 'string' || value === '')).toEqual([]);
  }
});

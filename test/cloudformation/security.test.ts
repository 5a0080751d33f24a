import { readFileSync } from 'node:fs';
import { type EvaluatedResource, evaluate } from './evaluate.ts';
import { EXAMPLES } from './examples.ts';
import { applyRules, guardProgram, type Verdict } from './guard.ts';
import type { Json, JsonObject } from './template.ts';
import { readTemplate, TEMPLATES } from './template.ts';

type Resources = Record<string, EvaluatedResource>;

const RULES = readFileSync(new URL('security.guard', import.meta.url), 'utf8');
const RULE_NAMES = [...RULES.matchAll(/^rule (\w+)/gm)].map(([, name = '']) => name);

const templates = TEMPLATES.flatMap((file) =>
  Object.entries(EXAMPLES[file] ?? {}).map(([example, parameters]) => ({
    name: `${file}, ${example}`,
    resources: evaluate(readTemplate(file), parameters).resources,
  })),
);

const allow = (Action: Json, Resource: Json): JsonObject => ({
  PolicyDocument: { Statement: [{ Effect: 'Allow', Action, Resource }] },
});
const container = (more: JsonObject, without = ''): JsonObject => {
  const right: JsonObject = {
    ...{ User: 'node', ReadonlyRootFilesystem: true, LinuxParameters: { Capabilities: { Drop: ['ALL'] } } },
    ...{ LogConfiguration: { LogDriver: 'awslogs' }, HealthCheck: { Command: ['CMD', 'true'] } },
    ...more,
  };
  const entries = Object.entries(right).filter(([key]) => key !== without);
  return { ...TASK, ContainerDefinitions: [Object.fromEntries(entries)] };
};
const TASK = { NetworkMode: 'awsvpc', ExecutionRoleArn: 'A.Arn', TaskRoleArn: 'B.Arn' };
const trust = (Principal: Json) => ({
  AssumeRolePolicyDocument: { Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal }] },
});
const PRIVATE = {
  BlockPublicAcls: true,
  BlockPublicPolicy: true,
  IgnorePublicAcls: true,
  RestrictPublicBuckets: true,
};
const https = { IpProtocol: 'tcp', FromPort: 443, ToPort: 443, CidrIp: '0.0.0.0/0' };

/** What each rule must refuse: one resource each. */
const WRONG: [rule: string, Type: string, Properties: JsonObject][] = [
  ['table_encrypted', 'AWS::DynamoDB::Table', { SSESpecification: { SSEEnabled: false } }],
  ['table_recoverable', 'AWS::DynamoDB::Table', {}],
  ['data_stream_encrypted', 'AWS::Kinesis::Stream', {}],
  [
    'data_stream_encrypted',
    'AWS::Kinesis::Stream',
    { StreamEncryption: { EncryptionType: 'NONE', KeyId: 'a' } },
  ],
  ['queue_encrypted', 'AWS::SQS::Queue', {}],
  ['queue_encrypted', 'AWS::SQS::Queue', { SqsManagedSseEnabled: false }],
  ['log_group_limited', 'AWS::Logs::LogGroup', {}],
  ['bucket_private', 'AWS::S3::Bucket', {}],
  [
    'bucket_private',
    'AWS::S3::Bucket',
    { PublicAccessBlockConfiguration: { ...PRIVATE, BlockPublicPolicy: false } },
  ],
  ['bucket_encrypted', 'AWS::S3::Bucket', {}],
  ['bucket_only_over_tls', 'AWS::S3::Bucket', {}],
  ['repository_scanned', 'AWS::ECR::Repository', {}],
  ['role_trusts_services_only', 'AWS::IAM::Role', trust('*')],
  ['role_trusts_services_only', 'AWS::IAM::Role', trust({ AWS: 'arn:aws:iam::123456789012:root' })],
  ['role_trusts_services_only', 'AWS::IAM::Role', trust({ Service: 'ecs-tasks.amazonaws.com', AWS: '*' })],
  [
    'task_role_trusts_this_account_only',
    'AWS::IAM::Role',
    { ...trust({ Service: 'ecs-tasks.amazonaws.com' }), Policies: [{ PolicyName: 'work' }] },
  ],
  ['role_without_managed_policies', 'AWS::IAM::Role', { ManagedPolicyArns: ['arn:aws:iam::aws:policy/a'] }],
  ['policy_names_its_actions', 'AWS::IAM::RolePolicy', allow('s3:*', 'A.Arn')],
  ['policy_names_its_actions', 'AWS::IAM::RolePolicy', allow(['s3:GetObject', 's3:Put*'], 'A.Arn')],
  ['policy_names_its_resources', 'AWS::IAM::RolePolicy', allow('s3:GetObject', '*')],
  ['policy_names_its_resources', 'AWS::IAM::RolePolicy', allow(['s3:GetObject'], ['A.Arn', '*'])],
  ['policy_names_its_resources', 'AWS::IAM::RolePolicy', allow(['tag:GetResources', 's3:GetObject'], '*')],
  ['inline_policy_names_its_actions', 'AWS::IAM::Role', { Policies: [allow('s3:*', 'A.Arn')] }],
  [
    'inline_policy_puts_metrics_of_one_namespace',
    'AWS::IAM::Role',
    { Policies: [allow('cloudwatch:PutMetricData', '*')] },
  ],
  ['inline_policy_names_its_resources', 'AWS::IAM::Role', { Policies: [allow('s3:GetObject', '*')] }],
  ['container_confined', 'AWS::ECS::TaskDefinition', container({}, 'User')],
  ['container_confined', 'AWS::ECS::TaskDefinition', container({ User: 'root' })],
  ['container_confined', 'AWS::ECS::TaskDefinition', container({ ReadonlyRootFilesystem: false })],
  ['container_confined', 'AWS::ECS::TaskDefinition', container({ Privileged: true })],
  ['container_confined', 'AWS::ECS::TaskDefinition', container({}, 'LinuxParameters')],
  [
    'container_confined',
    'AWS::ECS::TaskDefinition',
    container({ LinuxParameters: { Capabilities: { Drop: ['ALL'], Add: ['SYS_PTRACE'] } } }),
  ],
  ['container_logged_and_watched', 'AWS::ECS::TaskDefinition', container({}, 'LogConfiguration')],
  ['container_logged_and_watched', 'AWS::ECS::TaskDefinition', container({}, 'HealthCheck')],
  ['container_not_on_the_host', 'AWS::ECS::TaskDefinition', { ...container({}), NetworkMode: 'host' }],
  ['service_rolls_back', 'AWS::ECS::Service', {}],
  ['security_group_lets_nothing_in', 'AWS::EC2::SecurityGroup', {}],
  [
    'security_group_lets_nothing_in',
    'AWS::EC2::SecurityGroup',
    { SecurityGroupIngress: [https], SecurityGroupEgress: [https] },
  ],
  [
    'security_group_lets_nothing_in',
    'AWS::EC2::SecurityGroup',
    { SecurityGroupEgress: [{ ...https, IpProtocol: '-1' }] },
  ],
  ['function_logs_to_its_own_group', 'AWS::Lambda::Function', {}],
  ['project_logs_to_its_own_group', 'AWS::CodeBuild::Project', {}],
];

const WRONG_BESIDE: [rule: string, resources: Resources][] = [
  [
    'model_isolated',
    {
      A: { Type: 'AWS::SageMaker::Model', Properties: {} },
      B: {
        Type: 'AWS::SageMaker::EndpointConfig',
        Properties: { ProductionVariants: [{ InstanceType: 'ml.m5.large' }] },
      },
    },
  ],
  [
    'function_for_nobody_else',
    { A: { Type: 'AWS::Lambda::Function', Properties: {} }, B: { Type: 'AWS::Lambda::Url', Properties: {} } },
  ],
];

const wrong: [rule: string, resources: Resources][] = [
  ...WRONG.map(([rule, Type, Properties]): [string, Resources] => [rule, { Wrong: { Type, Properties } }]),
  ...WRONG_BESIDE,
];

const program = guardProgram();
const onThisMachine = program === null ? describe.skip : describe;

onThisMachine('security rules', () => {
  let ofTemplates: Verdict[] = [];
  let ofWrong: Verdict[] = [];
  beforeAll(() => {
    const stacks = [...templates, ...wrong.map(([, resources]) => ({ resources }))].map(
      ({ resources }) => resources,
    );
    const verdicts = applyRules(program ?? '', RULES, stacks);
    ofTemplates = verdicts.slice(0, templates.length);
    ofWrong = verdicts.slice(templates.length);
  });

  test.each(templates.map(({ name }, index) => [name, index] as const))('%s keeps them', (_name, index) => {
    expect(ofTemplates[index]?.broken).toEqual([]);
    expect(ofTemplates[index]?.kept.length).toBeGreaterThan(0);
  });

  test('every template is looked at', () => {
    expect(Object.keys(EXAMPLES).sort()).toEqual([...TEMPLATES].sort());
  });

  test('each of them refuses what is wrong', () => {
    const refused = wrong.map(([rule], index) => [rule, ofWrong[index]?.broken.includes(rule)]);
    expect(refused).toEqual(wrong.map(([rule]) => [rule, true]));
    expect([...new Set(wrong.map(([rule]) => rule))].sort()).toEqual([...RULE_NAMES].sort());
  });

  test('each of them has something to say about a template', () => {
    const said = new Set(ofTemplates.flatMap(({ kept }) => kept));
    expect(RULE_NAMES.filter((rule) => !said.has(rule))).toEqual([]);
  });
});

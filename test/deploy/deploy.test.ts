import { getMaxListeners } from 'node:events';
import { readSources } from '../../src/deploy/sources.ts';
import { PASSWORD } from './fake-account.ts';
import { ACCOUNT, REGION } from './fake-stack.ts';
import {
  CAMERAS,
  configurationOf,
  fakeEngine,
  IMAGE,
  NEW,
  REGISTRY,
  root,
  runProgram,
  stackOf,
  useFakeAccount,
} from './harness.ts';

const fake = useFakeAccount();

describe('a first deployment', () => {
  test('builds the image, makes the stack, and says where to look', async () => {
    const docker = fakeEngine('docker');
    const { exitCode, printed, said } = await runProgram(NEW, { path: docker.path });
    expect(said).not.toContain('problem');
    expect(exitCode).toBe(0);

    const { version, digest } = readSources(root);
    const image = `${REGISTRY}/cameras-image-repository-0123456789ab:${version}-arm64-${digest}`;
    expect(docker.calls()).toEqual([
      'info',
      `build --platform linux/arm64 --target worker --tag ${image} .`,
      `push ${image}`,
    ]);
    expect(said).not.toContain(PASSWORD);

    expect(stackOf(fake.current, 'cameras')).toMatchObject({
      status: 'CREATE_COMPLETE',
      parameters: { DockerImageRepository: image },
    });
    expect(configurationOf(fake.current)).toMatchObject({
      streamNames: ['front', 'back'],
      sageMakerEndpoint: 'yolo-v8',
    });
    expect(said).toMatch(/CREATE_COMPLETE {2}LeaseTable/);
    expect(printed).toContain('log-groups/log-group/$252Fkvs-inference$252Fcameras$252Fworker');
    expect(printed).toMatch(/dashboard:\n {2}https:.*dashboards/);
    expect(printed).toContain('aws logs tail /kvs-inference/cameras/parser --follow');
    expect(printed).toContain(
      'quickcreate?templateURL=https%3A%2F%2Fcameras-image-bucket-0123456789ab.s3.eu-central-1.amazonaws.com%2Fkvs-inference.yaml&stackName=cameras&param_AppName=cameras&param_StreamNames=%22front%22%2C%22back%22',
    );
    expect([...(fake.current.objects.get('cameras-image-bucket-0123456789ab')?.keys() ?? [])]).toEqual([
      'kvs-inference.yaml',
    ]);
  });

  test('is refused for every value that is wrong at once, before anything is called', async () => {
    const wrong = [
      '--app-name',
      'aws-cameras',
      '--cpu',
      '300',
      '--inference-interval',
      '0',
      '--vpc-id',
      'mine',
    ];
    const { exitCode, said } = await runProgram(['deploy', ...wrong]);
    expect(exitCode).toBe(2);
    expect(said.split('\n').map((line) => line.replace('kvs-inference: ', '').split(' ')[0])).toEqual([
      '--app-name',
      '--inference-interval',
      '--cpu',
      '--vpc-id',
      '',
    ]);
    expect(said).toContain('expected one of 256, 512');
    expect(fake.current.requests).toEqual([]);
  });

  test.each([
    ['no streams', ['--endpoint', 'yolo-v8'], 'StreamNames or TagFilters'],
    ['no endpoint', ['--stream-names', 'front'], '--endpoint is needed'],
    ['a subnet without its VPC', [...NEW.slice(4), '--subnet-ids', 'subnet-0a1b2c3d'], 'VpcId'],
    [
      'an unknown key',
      [...NEW.slice(4), '--more-configuration', '"modus":"live"'],
      'modus: "live", expected no such key',
    ],
    ['no JSON', [...NEW.slice(4), '--more-configuration', '"mode":live'], '--more-configuration: no JSON'],
  ])('is refused with %s', async (_name, args, message) => {
    const { exitCode, said } = await runProgram([...CAMERAS, ...args]);
    expect(said).toContain(message);
    expect(exitCode).toBe(2);
    expect(fake.current.changes).toEqual([]);
  });

  test('is refused where something it needs is missing, with all of it in a table', async () => {
    fake.current.roles.clear();
    fake.current.streams.set('back', 0);
    const args = [...CAMERAS, '--stream-names', 'frontt,back', '--endpoint', 'yolo', '--max-workers', '9'];
    const { exitCode, said } = await runProgram([...args, '--image', `${IMAGE}0`]);
    expect(exitCode).toBe(1);
    expect(said).toMatch(/problem +stream frontt +there is no such stream .* did you mean front\?/);
    expect(said).toMatch(/warning +stream back .*data retention 0.*update-data-retention/);
    expect(said).toMatch(/problem +endpoint yolo +there is no such endpoint .* did you mean yolo-v8\?/);
    expect(said).toMatch(/problem +image +there is no /);
    expect(said).toMatch(/problem +quota Fargate On-Demand +6 vCPUs, and MaxWorkers tasks may use 9/);
    expect(said).toMatch(/problem +role AWSServiceRoleForECS .*--create-service-linked-role/);
    expect(fake.current.changes).toEqual([]);
  });

  test('creates the role of ECS when it is told to', async () => {
    fake.current.roles.clear();
    expect(await runProgram([...NEW, '--image', IMAGE, '--create-service-linked-role'])).toMatchObject({
      exitCode: 0,
    });
    expect([...fake.current.roles]).toEqual(['AWSServiceRoleForECS']);
  });

  test('looks up the quota that an account has which never used the service', async () => {
    fake.current.quotas.clear();
    fake.current.defaultQuotas.set('L-3032A538', 2);
    const { exitCode, said } = await runProgram([...NEW, '--image', IMAGE]);
    expect(said).toMatch(/problem +quota Fargate On-Demand +2 vCPUs, and MaxWorkers tasks may use 4/);
    expect(exitCode).toBe(1);
  });

  test('is refused for more workers at least than at most, given together or not', async () => {
    const both = await runProgram([...NEW, '--min-workers', '3', '--max-workers', '2']);
    expect(both).toMatchObject({
      exitCode: 2,
      said: expect.stringContaining('--min-workers 3 is more than'),
    });
    expect(fake.current.requests).toEqual([]);
    const one = await runProgram([...NEW, '--min-workers', '9', '--image', IMAGE]);
    expect(one).toMatchObject({ exitCode: 2, said: expect.stringContaining('more than --max-workers 4') });
  });

  test.each([
    ['Yolo-V8', { SageMakerEndpointArn: `arn:aws:sagemaker:${REGION}:${ACCOUNT}:endpoint/yolo-v8` }],
    ['yolo-v8', { SageMakerEndpointArn: '' }],
  ])('names the ARN of the endpoint %s to the stack where that is needed', async (endpoint, parameters) => {
    fake.current.endpoints.set('Yolo-V8', 'InService');
    await runProgram([...NEW, '--image', IMAGE, '--endpoint', endpoint]);
    expect(stackOf(fake.current, 'cameras')?.parameters).toMatchObject(parameters);
  });

  test("leaves the ARN of the endpoint's name before behind", async () => {
    fake.current.endpoints.set('Yolo', 'InService');
    await runProgram([...NEW, '--image', IMAGE, '--endpoint', 'Yolo']);
    await runProgram([...NEW, '--image', IMAGE, '--endpoint', 'yolo-v8']);
    expect(stackOf(fake.current, 'cameras')?.parameters).toMatchObject({ SageMakerEndpointArn: '' });
  });

  test("warns of what the worker's role does not cover", async () => {
    const arn = `arn:aws:kinesisvideo:${REGION}:${ACCOUNT}:stream/back/1700000000000`;
    const more = `"streamNames":["front","${arn}"],"resultBucket":"large"`;
    const streams = ['--stream-names', 'front', '--more-configuration', more];
    const { said } = await runProgram([...NEW, '--image', IMAGE, ...streams, '--dry-run']);
    expect(said).toMatch(/warning +worker's role +not covered, .*: stream back, bucket large; allow it/);
    expect((await runProgram([...NEW, '--image', IMAGE, '--dry-run'])).said).not.toContain("worker's role");
  });

  test('has no warning for how many calls wait for the same signal', async () => {
    const { signal } = new AbortController();
    await runProgram([...NEW, '--dry-run'], { signal });
    expect(getMaxListeners(signal)).toBe(Number.POSITIVE_INFINITY);
  });

  test('counts the streams that tag filters choose', async () => {
    fake.current.taggedStreams.push(`arn:aws:kinesisvideo:${REGION}:${ACCOUNT}:stream/front/1700000000000`);
    const filter = ['--tag-filters', '{"key":"Location","values":["Front"]}'];
    const { exitCode, said } = await runProgram([
      ...CAMERAS,
      ...filter,
      '--endpoint',
      'yolo-v8',
      '--image',
      IMAGE,
    ]);
    expect(said).toMatch(/ok +tag filters +1 stream matches now/);
    expect(exitCode).toBe(0);
    expect(configurationOf(fake.current)).toMatchObject({
      streamNames: [],
      tagFilters: [{ key: 'Location', values: ['Front'] }],
    });
  });

  test('says who must sign in', async () => {
    fake.current.hasCredentials = false;
    const { exitCode, said } = await runProgram(NEW);
    expect(exitCode).toBe(2);
    expect(said).toContain('AWS does not know who you are');
  });

  test('says that nobody answers in the region', async () => {
    const { exitCode, said } = await runProgram(NEW, { endpoint: 'http://127.0.0.1:1' });
    expect(exitCode).toBe(2);
    expect(said).toMatch(/AWS does not answer in eu-central-1 .*ECONNREFUSED/);
  });

  test('has options that do not contradict what it does', async () => {
    const { printed } = await runProgram(['deploy', '--help']);
    expect(printed).toMatch(/--image <value> +An image in Amazon ECR that is there already/);
    expect(printed).not.toContain('--template-bucket');
  });

  test('changes nothing in a dry run', async () => {
    expect(await runProgram([...NEW, '--dry-run'])).toMatchObject({ exitCode: 0 });
    expect(fake.current.changes).toEqual([]);
  });

  test('that fails says why, leaves nothing, and can be tried again', async () => {
    fake.current.cloudFormation.failing = {
      logicalId: 'LambdaFunction',
      reason: 'the role cannot be assumed',
    };
    const { exitCode, said } = await runProgram([...NEW, '--image', IMAGE]);
    expect(exitCode).toBe(1);
    expect(said).toContain(
      'stack cameras failed, all of it is deleted again:\n  LambdaFunction (AWS::Lambda::Function): the role cannot be assumed',
    );
    expect(stackOf(fake.current, 'cameras')?.status).toBe('DELETE_COMPLETE');

    fake.current.cloudFormation.failing = null;
    expect(await runProgram([...NEW, '--image', IMAGE])).toMatchObject({ exitCode: 0 });
  });

  test('asks on a terminal, and leaves nothing after a no', async () => {
    const args = [...NEW.filter((arg) => arg !== '--yes'), '--image', IMAGE];
    const { exitCode, said } = await runProgram(args, { answers: ['n'] });
    expect(said).toContain('Deploy this as stack cameras? [y/N]');
    expect(exitCode).toBe(1);
    expect(stackOf(fake.current, 'cameras')?.status).toBe('DELETE_COMPLETE');
    expect(await runProgram(args, { answers: ['y'] })).toMatchObject({ exitCode: 0 });
  });

  test.each([
    [
      'is made',
      'CREATE_COMPLETE',
      () =>
        Object.assign(stackOf(fake.current, 'cameras') ?? {}, {
          status: 'CREATE_COMPLETE',
          body: 'Resources: {}',
        }),
    ],
    [
      'has another change set',
      'REVIEW_IN_PROGRESS',
      () =>
        fake.current.cloudFormation.call(
          'CreateChangeSet',
          { StackName: 'cameras', TemplateBody: '{"Resources":{}}' },
          {},
        ),
    ],
  ])('deletes no stack after a no that %s meanwhile', async (_what, status, meanwhile) => {
    fake.current.onChange = (change) => {
      if (change.startsWith('Delete')) meanwhile();
    };
    const args = [...NEW.filter((arg) => arg !== '--yes'), '--image', IMAGE];
    expect(await runProgram(args, { answers: ['n'] })).toMatchObject({ exitCode: 1 });
    expect(stackOf(fake.current, 'cameras')?.status).toBe(status);
    expect(fake.current.changes.join()).not.toContain('DeleteStack');
  });

  test('has the same token for what the SDK tries again', async () => {
    const { errors } = fake.current.cloudFormation;
    const lost = { code: 'RequestTimeout', message: 'again' };
    Object.assign(errors, { CreateChangeSet: [lost], ExecuteChangeSet: [lost] });
    expect(await runProgram([...NEW, '--image', IMAGE])).toMatchObject({ exitCode: 0 });
    const sent = fake.current.requests.map(({ body }) => new URLSearchParams(body.toString()));
    for (const [action, token] of [
      ['CreateChangeSet', 'ClientToken'],
      ['ExecuteChangeSet', 'ClientRequestToken'],
    ] as const) {
      const tokens = sent.filter((input) => input.get('Action') === action).map((input) => input.get(token));
      expect(tokens).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), tokens[0]]);
    }
  });

  test('is done even where what is told of it cannot be looked up', async () => {
    const denied = { code: 'AccessDenied', message: 'no' };
    fake.current.onChange = (change) => {
      if (!change.startsWith('ExecuteChangeSet')) return;
      fake.current.cloudFormation.errors['DescribeStacks'] = [denied, denied];
    };
    const { exitCode, said, printed } = await runProgram([...NEW, '--image', IMAGE]);
    expect(said).toContain('the outputs of the stack cannot be read: AccessDenied: no');
    expect(said).toContain('there is no quick-create link: AccessDenied: no');
    expect(printed).toContain('aws logs tail /kvs-inference/cameras/parser --follow');
    expect(exitCode).toBe(0);
  });

  test('shows on a terminal that time goes on where nothing happens', async () => {
    fake.current.cloudFormation.idlePolls = 20;
    const { said } = await runProgram([...NEW, '--image', IMAGE], { answers: [] });
    const seconds = said.match(/\d+(?= s\n {2}under way: SageMakerDriverService\n)/g) ?? [];
    expect(new Set(seconds).size).toBeGreaterThan(15);
  });

  test('asks nobody where there is no terminal', async () => {
    const { exitCode, said } = await runProgram([...NEW.filter((arg) => arg !== '--yes'), '--image', IMAGE]);
    expect(said).toContain('there is no terminal to confirm it on; add --yes');
    expect(exitCode).toBe(2);
    expect(fake.current.changes).toEqual([]);
  });

  test('ends where it is when the user stops it while it checks', async () => {
    const controller = new AbortController();
    fake.current.onRequest = (target) => {
      if (target === 'SageMaker.DescribeEndpoint') controller.abort();
    };
    const { said } = await runProgram([...NEW, '--image', IMAGE], { signal: controller.signal });
    expect(said).toMatch(/kvs-inference: stopped\n$/);
    expect(said).not.toContain('not checked');
    expect(fake.current.changes).toEqual([]);
  });

  test('goes on by itself when the user has had enough of it', async () => {
    const controller = new AbortController();
    fake.current.onChange = (change) => {
      if (change.startsWith('ExecuteChangeSet')) controller.abort();
    };
    const { exitCode, said } = await runProgram([...NEW, '--image', IMAGE], { signal: controller.signal });
    expect(exitCode).toBe(1);
    expect(said).toContain(
      'CloudFormation goes on by itself; to see how: aws cloudformation describe-stack-events',
    );
  });
});

import { readSources } from '../../src/deploy/sources.ts';
import { PASSWORD } from './fake-account.ts';
import {
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

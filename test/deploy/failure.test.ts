import { readFileSync, rmSync } from 'node:fs';
import {
  CAMERAS,
  configurationOf,
  IMAGE,
  NEW,
  root,
  runProgram,
  stackOf,
  useFakeAccount,
} from './harness.ts';

const fake = useFakeAccount();

const FAILED_SERVICE = {
  logicalId: 'SageMakerDriverService',
  reason: 'ECS Deployment Circuit Breaker was triggered',
};

/** As ECS tells of a task whose container has ended. */
function stoppedTask(stoppedReason: string, container: object = { name: 'worker', exitCode: 1 }) {
  const taskArn = 'arn:aws:ecs:eu-central-1:123456789012:task/cameras-Cluster-0123456789AB/0a1b';
  return { taskArn, stoppedReason, containers: [container], createdAt: 2_000_000_000 };
}

/** As a user does who looks for the best settings. */
function tune(changes: Record<string, unknown>): void {
  const Value = JSON.stringify({ ...configurationOf(fake.current), ...changes });
  fake.current.parameters.set('cameras', { Value, Type: 'String' });
}

async function deployed(...more: string[]) {
  expect(await runProgram([...NEW, '--image', IMAGE, ...more])).toMatchObject({ exitCode: 0 });
  fake.current.changes.length = 0;
}

describe('workers that do not start', () => {
  test('are said why before the rollback deletes it, with what they have logged', async () => {
    fake.current.cloudFormation.failing = FAILED_SERVICE;
    fake.current.tasks.push(stoppedTask('Essential container in task exited'));
    fake.current.logs.set('worker/worker/0a1b', [
      '{"level":"info","msg":"starting"}',
      '{"level":"fatal","msg":"the lease table is not there"}',
    ]);
    const { exitCode, said } = await runProgram([...NEW, '--image', IMAGE]);
    expect(exitCode).toBe(1);
    const reasons = said.slice(said.indexOf('stack cameras failed, all of it is deleted again:'));
    expect(reasons).toContain('SageMakerDriverService (AWS::ECS::Service): ECS Deployment Circuit Breaker');
    expect(reasons).toContain('SageMakerDriverService: a task stopped: Essential container in task exited');
    expect(reasons).toContain('SageMakerDriverService: container worker: exit code 1');
    expect(reasons).toContain(
      'SageMakerDriverService: log: {"level":"fatal","msg":"the lease table is not there"}',
    );
    expect(reasons).not.toContain('starting');
  });

  test('are said why while ECS still tries, without a log where they have never run', async () => {
    fake.current.cloudFormation.idlePolls = 40;
    const container = { name: 'worker', reason: 'CannotPullContainerError: no such manifest' };
    fake.current.tasks.push(stoppedTask('TaskFailedToStart', container));
    const { exitCode, said } = await runProgram([...NEW, '--image', IMAGE]);
    expect(exitCode).toBe(0);
    expect(said).toContain(
      '  SageMakerDriverService: container worker: CannotPullContainerError: no such manifest',
    );
    expect(said.match(/a task stopped/g)).toHaveLength(1);
  });

  test('are not those that ECS stops in favour of newer ones, or older than the update', async () => {
    await deployed();
    fake.current.cloudFormation.failing = FAILED_SERVICE;
    fake.current.tasks.push(stoppedTask('Scaling activity initiated by (deployment ecs-svc/1)'), {
      ...stoppedTask('long ago'),
      createdAt: 1_500_000_000,
    });
    const { said } = await runProgram([...CAMERAS, '--image', IMAGE, '--max-workers', '5']);
    expect(said).toContain('stack cameras failed, it is UPDATE_ROLLBACK_COMPLETE');
    expect(said).not.toContain('a task stopped');
  });

  test('that nobody may look at change nothing else', async () => {
    fake.current.cloudFormation.failing = FAILED_SERVICE;
    fake.current.tasks.push(stoppedTask('x'));
    fake.current.deny('AmazonEC2ContainerServiceV20141113.DescribeTasks');
    const { said } = await runProgram([...NEW, '--image', IMAGE]);
    expect(said).toContain('stack cameras failed, all of it is deleted again:');
    expect(said).toContain('why its tasks stopped cannot be read: AccessDeniedException');
  });
});

describe('an update that fails', () => {
  beforeEach(async () => {
    await deployed();
    fake.current.cloudFormation.failing = { logicalId: 'Cluster', reason: 'no' };
  });

  test('leaves what was tuned as it was', async () => {
    tune({ inferenceInterval: 3, mode: 'live' });
    const tuned = configurationOf(fake.current);
    const { exitCode, said } = await runProgram([...CAMERAS, '--image', IMAGE, '--max-workers', '5']);
    expect(exitCode).toBe(1);
    expect(said).toContain('what was tuned is put back');
    expect(configurationOf(fake.current)).toEqual(tuned);
    expect(fake.current.parameters.get('cameras')?.Tier).toBe('Intelligent-Tiering');
  });

  test.each([
    [
      'was tuned by somebody else',
      () => tune({ inferenceInterval: 1 }),
      'holds what neither',
      ' --overwrite',
    ],
    ['was deleted', () => fake.current.parameters.clear(), 'is not there any more', ''],
  ])('leaves alone what %s meanwhile, and saves what was tuned', async (_who, meanwhile, message, option) => {
    tune({ inferenceInterval: 3 });
    const tuned = configurationOf(fake.current);
    fake.current.onChange = (change) => {
      if (change.startsWith('ExecuteChangeSet')) fake.current.onRequest = meanwhile;
    };
    const { said } = await runProgram([...CAMERAS, '--image', IMAGE, '--max-workers', '5']);
    const file = `${root}cameras.ssm-backup.json`;
    expect(said).toContain(message);
    expect(said).toContain(
      `--tier Intelligent-Tiering${option} --value file://${file} --region eu-central-1`,
    );
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(tuned);
    expect(fake.current.changes).not.toContain('PutParameter cameras');
    rmSync(file);
  });

  test('writes nothing where nothing was tuned', async () => {
    const { exitCode } = await runProgram([...CAMERAS, '--image', IMAGE, '--max-workers', '5']);
    expect(exitCode).toBe(1);
    expect(fake.current.changes).not.toContain('PutParameter cameras');
  });

  test('when nobody looks any more: is said how to put back what was tuned', async () => {
    tune({ inferenceInterval: 3 });
    const tuned = configurationOf(fake.current);
    const controller = new AbortController();
    fake.current.onChange = (change) => {
      if (change.startsWith('ExecuteChangeSet')) controller.abort();
    };
    const args = [...CAMERAS, '--image', IMAGE, '--max-workers', '5'];
    const { said } = await runProgram(args, { signal: controller.signal });
    const file = `${root}cameras.ssm-backup.json`;
    expect(said).toContain('should the update fail, what was tuned is lost');
    expect(said).toContain(
      `--tier Intelligent-Tiering --overwrite --value file://${file} --region eu-central-1`,
    );
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(tuned);
    rmSync(file);
  });
});

describe('a stack that failed', () => {
  beforeEach(async () => {
    Object.assign(fake.current.cloudFormation, {
      failing: { logicalId: 'Cluster', reason: 'no' },
      isRollbackFailing: true,
    });
    await runProgram([...NEW, '--image', IMAGE]);
    Object.assign(fake.current.cloudFormation, { failing: null, isRollbackFailing: false });
    expect(stackOf(fake.current, 'cameras')?.status).toBe('ROLLBACK_FAILED');
    fake.current.changes.length = 0;
  });

  test('owns its SSM parameter, which goes with it', async () => {
    const { exitCode, said } = await runProgram([...NEW, '--image', IMAGE]);
    expect(said).not.toContain('There is an SSM parameter');
    expect(exitCode).toBe(0);
    expect(fake.current.changes).not.toContain('DeleteParameter cameras');
  });

  test('does not own one that it has failed to make', async () => {
    Object.assign(stackOf(fake.current, 'cameras') ?? {}, { states: { Params: 'CREATE_FAILED' } });
    const { exitCode, said } = await runProgram([...NEW, '--image', IMAGE]);
    expect(said).toContain('There is an SSM parameter cameras already');
    expect(exitCode).toBe(1);
  });
});

test('a stack that fails and cannot be deleted: its reasons are said all the same', async () => {
  fake.current.cloudFormation.failing = { logicalId: 'Cluster', reason: 'not so many clusters' };
  fake.current.cloudFormation.errors['DeleteStack'] = [{ code: 'AccessDenied', message: 'not you' }];
  const { said } = await runProgram([...NEW, '--image', IMAGE]);
  expect(said).toContain(
    'stack cameras failed, it is ROLLBACK_COMPLETE, it cannot be deleted: not you:\n  Cluster (AWS::ECS::Cluster): not so many clusters',
  );
});

test('a change set whose reason says nothing: what its events say', async () => {
  fake.current.cloudFormation.refusal = {
    reason: 'The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]',
    validations: [{ path: '/Resources/Params', reason: "Resource 'cameras' already exists" }],
  };
  const { exitCode, said } = await runProgram([...NEW, '--image', IMAGE]);
  expect(exitCode).toBe(2);
  expect(said).toContain("/Resources/Params: Resource 'cameras' already exists");
  expect(stackOf(fake.current, 'cameras')?.status).toBe('DELETE_COMPLETE');
});

test('a template that CloudFormation does not take is wrong use', async () => {
  fake.current.cloudFormation.errors['CreateChangeSet'] = [
    { code: 'ValidationError', message: 'Template format error' },
  ];
  const { exitCode, said } = await runProgram([...NEW, '--image', IMAGE]);
  expect(exitCode).toBe(2);
  expect(said).toContain('cameras: Template format error');
});

test.each(['ExecuteChangeSet', 'DescribeStackEvents'])(
  'a change set that nobody has begun with, as %s is refused, is not left behind',
  async (action) => {
    const refuse = () => {
      fake.current.cloudFormation.errors[action] = [{ code: 'AccessDenied', message: 'no' }];
    };
    refuse();
    expect(await runProgram([...NEW, '--image', IMAGE])).toMatchObject({ exitCode: 1 });
    expect(stackOf(fake.current, 'cameras')?.status).toBe('DELETE_COMPLETE');
    await deployed();
    refuse();
    const update = [...CAMERAS, '--image', IMAGE, '--max-workers', '5'];
    expect(await runProgram(update)).toMatchObject({ exitCode: 1 });
    expect(stackOf(fake.current, 'cameras')?.status).toBe('CREATE_COMPLETE');
    expect(fake.current.cloudFormation.changeSetsLeft).toBe(0);
  },
);

test('a change set is not left behind where the SSM parameter cannot be put back before it', async () => {
  await deployed();
  fake.current.parameters.clear();
  fake.current.deny('AmazonSSM.PutParameter');
  const update = [...CAMERAS, '--image', IMAGE, '--max-workers', '5'];
  expect(await runProgram(update)).toMatchObject({ exitCode: 1 });
  expect(fake.current.cloudFormation.changeSetsLeft).toBe(0);
});

test('a stack that cannot be looked at now and then is looked at again', async () => {
  const throttled = { code: 'ExpiredToken', message: 'again' };
  fake.current.onChange = (change) => {
    if (change.startsWith('ExecuteChangeSet')) {
      fake.current.cloudFormation.errors['DescribeStackEvents'] = [throttled, throttled];
    }
  };
  expect(await runProgram([...NEW, '--image', IMAGE])).toMatchObject({ exitCode: 0 });
});

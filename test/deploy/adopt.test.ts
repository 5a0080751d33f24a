import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { CAMERAS, configurationOf, IMAGE, root, runProgram, stackOf, useFakeAccount } from './harness.ts';

const fake = useFakeAccount();

const KIT = {
  streamNames: ['back'],
  tagFilters: [],
  sageMakerEndpoint: 'yolo-v8',
  endPointAcceptContentType: 'image/png',
  kdsStreamName: 'kit-Kds-1',
  inferenceInterval: 4,
  sageMakerTaskThreadPoolSize: 7,
};
const ADOPT = [...CAMERAS, '--image', IMAGE, '--adopt'];
const HOW_TO_PUT_BACK = `aws ssm put-parameter --name cameras --type String --tier Intelligent-Tiering --value file://${root}cameras.ssm-backup.json --region eu-central-1`;

beforeEach(() => {
  fake.current.parameters.set('cameras', { Value: JSON.stringify(KIT), Type: 'String' });
});

afterEach(() => {
  for (const name of backups()) rmSync(`${root}${name}`);
});

function backups(): string[] {
  return readdirSync(root).filter((name) => name.includes('ssm-backup'));
}

/** What was saved. */
function saved(name = 'cameras.ssm-backup.json'): unknown {
  return JSON.parse(readFileSync(`${root}${name}`, 'utf8'));
}

test('is left alone unless it is to be taken over', async () => {
  const { exitCode, said } = await runProgram([...CAMERAS, '--image', IMAGE]);
  expect(said).toContain('There is an SSM parameter cameras already');
  expect(exitCode).toBe(1);
  expect(fake.current.changes).toEqual([]);
});

test('is taken over with its keys, but for the resources of the other stack', async () => {
  const { exitCode, said } = await runProgram(ADOPT);
  expect(said).toMatch(/sageMakerTaskThreadPoolSize +7 +7 +taken over/);
  expect(exitCode).toBe(0);
  expect(configurationOf(fake.current)).toMatchObject({
    ...KIT,
    kdsStreamName: 'cameras-Kds-0123456789AB',
  });
  expect(stackOf(fake.current, 'cameras')?.parameters).toMatchObject({
    StreamNames: 'back',
    InferenceInterval: '4',
  });
});

test('is saved in a file before it is deleted, beside what was saved before', async () => {
  await runProgram(ADOPT);
  expect(saved()).toEqual(KIT);
  const other = { ...KIT, inferenceInterval: 9 };
  await runProgram(['destroy', '--app-name', 'cameras', '--yes']);
  fake.current.parameters.set('cameras', { Value: JSON.stringify(other), Type: 'String' });
  await runProgram(ADOPT);
  expect(saved()).toEqual(KIT);
  expect(saved('cameras.ssm-backup-2.json')).toEqual(other);
});

test('is there until the answer has come, and is asked for before anything is made', async () => {
  const args = ADOPT.filter((arg) => arg !== '--yes');
  const { exitCode } = await runProgram(args, { answers: ['n'] });
  expect(exitCode).toBe(1);
  expect(fake.current.changes).toEqual([]);
  await runProgram(args, { answers: ['y'] });
  expect(fake.current.changes).toEqual([
    'DeleteParameter cameras',
    'CreateChangeSet cameras',
    'ExecuteChangeSet ',
  ]);
});

test('is as it was when the stack fails, with a tier that takes it', async () => {
  const long = {
    ...KIT,
    streamNames: Array.from({ length: 99 }, (_, index) => `${'long-name-'.repeat(4)}${index}`),
  };
  fake.current.parameters.set('cameras', { Value: JSON.stringify(long), Type: 'String' });
  fake.current.cloudFormation.failing = { logicalId: 'Cluster', reason: 'no' };
  const { exitCode, said } = await runProgram([
    ...ADOPT,
    '--stream-names',
    'back',
    '--replace-config',
    '--endpoint',
    'yolo-v8',
  ]);
  expect(exitCode).toBe(1);
  expect(said).toContain('the SSM parameter cameras: is as it was');
  expect(configurationOf(fake.current)).toEqual(long);
});

test('is as it was when the user stops it before the stack begins', async () => {
  const controller = new AbortController();
  fake.current.onChange = (change) => {
    if (change.startsWith('CreateChangeSet')) controller.abort();
  };
  await runProgram(ADOPT, { signal: controller.signal });
  expect(configurationOf(fake.current)).toEqual(KIT);
  expect(stackOf(fake.current, 'cameras')?.status).toBe('DELETE_COMPLETE');
});

test('may be deleted meanwhile by somebody else', async () => {
  fake.current.onChange = (change) => {
    if (change.startsWith('DeleteParameter')) fake.current.parameters.clear();
  };
  expect(await runProgram(ADOPT)).toMatchObject({ exitCode: 0 });
  expect(configurationOf(fake.current)).toMatchObject({ sageMakerTaskThreadPoolSize: 7 });
});

test('is as it was when it cannot be deleted', async () => {
  fake.current.deny('AmazonSSM.DeleteParameter');
  const { exitCode, said } = await runProgram(ADOPT);
  expect(exitCode).toBe(1);
  expect(said).toContain('the SSM parameter cameras: is as it was');
  expect(said).toContain('AccessDeniedException');
  expect(fake.current.changes).toEqual([]);
});

test('is as it was when CloudFormation refuses to begin', async () => {
  fake.current.cloudFormation.errors['ExecuteChangeSet'] = [{ code: 'AccessDenied', message: 'no' }];
  expect(await runProgram(ADOPT)).toMatchObject({ exitCode: 1 });
  expect(configurationOf(fake.current)).toEqual(KIT);
});

test('is not put back while the stack goes on, and may make its own', async () => {
  const controller = new AbortController();
  fake.current.onChange = (change) => {
    if (change.startsWith('ExecuteChangeSet')) controller.abort();
  };
  const { said } = await runProgram(ADOPT, { signal: controller.signal });
  expect(said).toContain('CloudFormation goes on by itself');
  expect(said).toContain(HOW_TO_PUT_BACK);
  expect(fake.current.changes).not.toContain('PutParameter cameras');
  expect(saved()).toEqual(KIT);
});

test('is not put back where the stack is looked at in vain', async () => {
  const denied = { code: 'AccessDenied', message: 'no' };
  const { errors } = fake.current.cloudFormation;
  fake.current.onChange = (change) => {
    if (change.startsWith('ExecuteChangeSet'))
      errors['DescribeStackEvents'] = [denied, denied, denied, denied, denied, denied];
  };
  const { exitCode, said } = await runProgram(ADOPT);
  expect(exitCode).toBe(1);
  expect(said).toContain('cannot look: AccessDenied: no; CloudFormation goes on by itself');
  expect(said).toContain(HOW_TO_PUT_BACK);
  expect(fake.current.changes).not.toContain('PutParameter cameras');
});

test('is not put back where what failed is still there', async () => {
  Object.assign(fake.current.cloudFormation, {
    failing: { logicalId: 'Cluster', reason: 'no' },
    isRollbackFailing: true,
  });
  const { said } = await runProgram(ADOPT);
  expect(said).toContain('stack cameras failed, it is ROLLBACK_FAILED');
  expect(said).toContain(HOW_TO_PUT_BACK);
});

test('is left to the stack that it belongs to', async () => {
  fake.current.cloudFormation.add('kit', {
    body: 'Resources: { Parameter: { Type: AWS::SSM::Parameter } }',
    resources: { Parameter: 'cameras' },
  });
  const { exitCode, said } = await runProgram(ADOPT);
  expect(exitCode).toBe(2);
  expect(said).toContain('the SSM parameter cameras is of the stack kit, which would delete it one day');
  expect(fake.current.changes).toEqual([]);
});

test('is neither decrypted nor shown where it is a secret', async () => {
  fake.current.parameters.set('cameras', { Value: '{"streamNames":["secret"]}', Type: 'SecureString' });
  const { exitCode, said } = await runProgram(ADOPT);
  expect(exitCode).toBe(2);
  expect(said).toContain('an SSM parameter cameras of type SecureString, which is no configuration');
  expect(said).not.toContain('secret');
  expect(fake.current.requests.map(({ body }) => String(body)).join()).not.toContain('WithDecryption');
});

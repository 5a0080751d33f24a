import { NEW, runProgram, stackOf, useFakeAccount } from './harness.ts';

const DESTROY = ['destroy', '--app-name', 'cameras'];
const TABLE = 'cameras-LeaseTable-0123456789AB';
const BUCKET = 'cameras-image-bucket-0123456789ab';

const fake = useFakeAccount();

beforeEach(async () => {
  expect(await runProgram(NEW)).toMatchObject({ exitCode: 0 });
  fake.current.changes.length = 0;
});

function stacksLeft(): string[] {
  const stacks = [...fake.current.cloudFormation.stacks.values()];
  return stacks.filter(({ status }) => status !== 'DELETE_COMPLETE').map(({ name }) => name);
}

test('deletes the stack once its name is typed, and says what stays and what deletes that', async () => {
  const { exitCode, said, printed } = await runProgram(DESTROY, { answers: ['cameras'] });
  expect(exitCode).toBe(0);
  expect(said).toMatch(/Kds +AWS::Kinesis::Stream +cameras-Kds-0123456789AB/);
  expect(said).not.toMatch(/LeaseTable +AWS::DynamoDB::Table/);
  expect(stacksLeft()).toEqual(['cameras-image']);
  expect(fake.current.parameters.size).toBe(0);
  expect(printed).toContain(`aws dynamodb delete-table --table-name ${TABLE}`);
  expect(printed).toContain('the image in the stack cameras-image: npm run destroy with --with-image');
  expect(printed).toContain('endpoint yolo-v8: its instances cost, by the hour');
  expect(printed).toContain('video streams "front","back": what they take in and store costs');
});

test('deletes nothing when another name is typed, in a dry run, or with nobody to ask', async () => {
  expect(await runProgram(DESTROY, { answers: ['camera'] })).toMatchObject({ exitCode: 1 });
  expect(await runProgram([...DESTROY, '--yes', '--dry-run'])).toMatchObject({ exitCode: 0 });
  expect(await runProgram(DESTROY)).toMatchObject({ exitCode: 2, said: expect.stringContaining('--yes') });
  expect(fake.current.changes).toEqual([]);
});

test('deletes all there is, if that is wanted', async () => {
  const { exitCode, printed } = await runProgram([...DESTROY, '--yes', '--with-image', '--with-leases']);
  expect(exitCode).toBe(0);
  expect(stacksLeft()).toEqual([]);
  expect(fake.current.objects.get(BUCKET)?.size).toBe(0);
  expect(fake.current.changes.at(-1)).toBe(`DeleteTable ${TABLE}`);
  expect(printed).toMatch(/^deleted: cameras, cameras-image\n/);
});

test('deletes the image of an application that is gone already', async () => {
  await runProgram([...DESTROY, '--yes']);
  expect(await runProgram([...DESTROY, '--yes', '--with-image'])).toMatchObject({ exitCode: 0 });
  expect(stacksLeft()).toEqual([]);
});

test('deletes nothing where the lease table is to go with an application that is gone already', async () => {
  await runProgram([...DESTROY, '--yes']);
  fake.current.changes.length = 0;
  const { exitCode, said } = await runProgram([...DESTROY, '--yes', '--with-image', '--with-leases']);
  expect(exitCode).toBe(1);
  expect(said).toContain('there is no stack cameras, so its lease table cannot be found this way');
  expect(said).toContain('aws dynamodb list-tables --region eu-central-1');
  expect(fake.current.changes).toEqual([]);
});

test('says that there is no such stack', async () => {
  const { exitCode, said } = await runProgram(['destroy', '--app-name', 'other', '--yes']);
  expect(exitCode).toBe(2);
  expect(said).toContain('there is no stack other in eu-central-1 of account 123456789012');
});

test('is in no hurry where a table or a bucket was deleted by somebody else', async () => {
  fake.current.tables.clear();
  fake.current.objects.clear();
  const { exitCode, said } = await runProgram([...DESTROY, '--yes', '--with-image', '--with-leases']);
  expect(exitCode).toBe(0);
  expect(said).toContain(`the table ${TABLE} was deleted already`);
});

test('ends where an object cannot be deleted, and says which', async () => {
  fake.current.areObjectsLocked = true;
  const { exitCode, said } = await runProgram([...DESTROY, '--yes', '--with-image']);
  expect(exitCode).toBe(1);
  expect(said).toContain('1 objects cannot be deleted, such as sources: AccessDenied: locked');
});

test.each(['cameras', 'cameras-image'])('deletes nothing where the stack %s is protected', async (name) => {
  Object.assign(stackOf(fake.current, name) ?? {}, { isProtected: true });
  const { exitCode, said } = await runProgram([...DESTROY, '--yes', '--with-image']);
  expect(exitCode).toBe(2);
  expect(said).toContain(`--no-enable-termination-protection --stack-name ${name} --region eu-central-1`);
  expect(fake.current.changes).toEqual([]);
  expect(fake.current.objects.get(BUCKET)?.size).toBeGreaterThan(0);
});

test.each([
  ['is busy', { status: 'UPDATE_IN_PROGRESS' }],
  ['is another one', { parameters: { UseCodeBuild: 'true', AppName: 'cameras_' } }],
])('goes by a stack of the name of the image that %s, unless it is to be deleted', async (_what, change) => {
  Object.assign(stackOf(fake.current, 'cameras-image') ?? {}, change);
  expect((await runProgram([...DESTROY, '--yes', '--with-image'])).exitCode).not.toBe(0);
  expect(fake.current.changes).toEqual([]);
  expect(await runProgram([...DESTROY, '--yes'])).toMatchObject({ exitCode: 0 });
  expect(stacksLeft()).toEqual(['cameras-image']);
});

test('says how a stack is deleted that was never made', async () => {
  fake.current.cloudFormation.add('shell', { status: 'REVIEW_IN_PROGRESS', body: 'Resources: {}' });
  const { exitCode, said } = await runProgram(['destroy', '--app-name', 'shell', '--yes']);
  expect(exitCode).toBe(2);
  expect(said).toContain('aws cloudformation delete-stack --stack-name shell --region eu-central-1');
});

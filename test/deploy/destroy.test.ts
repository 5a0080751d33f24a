import { NEW, runProgram, useFakeAccount } from './harness.ts';

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
  expect(printed).toBe('deleted: cameras, cameras-image');
});

test('deletes the image of an application that is gone already', async () => {
  await runProgram([...DESTROY, '--yes']);
  expect(await runProgram([...DESTROY, '--yes', '--with-image'])).toMatchObject({ exitCode: 0 });
  expect(stacksLeft()).toEqual([]);
});

test('says that there is no such stack', async () => {
  const { exitCode, said } = await runProgram(['destroy', '--app-name', 'other', '--yes']);
  expect(exitCode).toBe(2);
  expect(said).toContain('there is no stack other in eu-central-1 of account 123456789012');
});

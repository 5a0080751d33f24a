import { awsError } from '../support/http-server.ts';
import { type Account, startAccount } from './account.ts';

const front = { key: 'Location', values: ['Front'] };

let account: Account;

beforeEach(async () => {
  account = await startAccount();
});

afterEach(() => account.close());

test('unites the streams that are named with those that are tagged', async () => {
  const door = account.create('door', { Location: 'Front' });
  const gate = account.create('gate', { Location: 'Front' });
  const hall = account.create('hall');
  const { discover } = account.discovery({ streamNames: ['hall', 'door'], tagFilters: [front] });
  await expect(discover()).resolves.toEqual({
    streams: [
      { streamName: 'door', streamArn: door },
      { streamName: 'gate', streamArn: gate },
      { streamName: 'hall', streamArn: hall },
    ],
    isComplete: true,
  });
});

test.each([
  ['names', 'describeStream', ['gate', 'hall']],
  ['tags', 'GetResources', ['hall']],
])('is not complete where the %s cannot be asked for', async (_name, operation, streams) => {
  account.create('gate', { Location: 'Front' });
  account.create('hall');
  account.intercept = (call) => (call.operation === operation ? awsError('InternalFailure', 500) : null);
  const { discover } = account.discovery({ streamNames: ['hall'], tagFilters: [front] });
  const found = await discover();
  expect(found.isComplete).toBe(false);
  expect(found.streams.map(({ streamName }) => streamName)).toEqual(streams);
});

test('a list of tags that still holds the stream before does not bring it back', async () => {
  const before = account.create('door', { Location: 'Front' });
  await account.delete(before);
  account.resources = [{ arn: before, tags: { Location: 'Front' } }];
  const after = account.create('door', { Location: 'Front' });
  const { discover, taken } = account.discovery({ streamNames: ['door'], tagFilters: [front] });
  await expect(discover()).resolves.toMatchObject({ streams: [{ streamArn: after }] });
  expect(taken('error')).toEqual([]);
});

test('reads one of two streams of one name: an error the first time', async () => {
  const foreign = 'arn:aws:kinesisvideo:eu-west-1:123456789012:stream/door/1';
  const door = account.create('door');
  account.resources = [{ arn: foreign, tags: { Location: 'Front' } }];
  const { discover, taken } = account.discovery({ streamNames: ['door'], tagFilters: [front] });
  const found = { streams: [{ streamName: 'door', streamArn: door }], isComplete: true };
  const clash = expect.objectContaining({ streamName: 'door', keptArn: door, refusedArn: foreign });
  await expect(discover()).resolves.toEqual(found);
  expect(taken('error')).toEqual([clash]);
  await expect(discover()).resolves.toEqual(found);
  expect(taken('debug')).toEqual([clash]);
  await discover();
  expect(taken('error')).toEqual([]);

  const { resources } = account;
  account.resources = [];
  await discover();
  account.resources = resources;
  await discover();
  expect(taken('error')).toEqual([clash]);
});

test('reads the same of two streams of one name, in whatever order they come', async () => {
  const arns = ['us-east-1', 'eu-west-1'].map(
    (region) => `arn:aws:kinesisvideo:${region}:123456789012:stream/door/1`,
  );
  account.resources = arns.map((arn) => ({ arn, tags: { Location: 'Front' } }));
  const { discover } = account.discovery({ tagFilters: [front] });
  const found = await discover();
  expect(found.streams).toHaveLength(1);
  account.resources.reverse();
  await expect(discover()).resolves.toEqual(found);
});

test('can be given up before it begins', async () => {
  account.create('door');
  const { discover } = account.discovery({ streamNames: ['door'], tagFilters: [front] });
  await expect(discover(AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
  expect(account.calls).toEqual([]);
});

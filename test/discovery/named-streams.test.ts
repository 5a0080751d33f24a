import { awsError } from '../support/http-server.ts';
import { type Account, json, startAccount } from './account.ts';

let account: Account;

beforeEach(async () => {
  account = await startAccount();
});

afterEach(() => account.close());

test('gives name and ARN, asking only for what is named', async () => {
  const door = account.create('door');
  account.create('gate');
  const hall = account.create('hall');
  const { discover, taken } = account.discovery({ streamNames: ['hall', 'door', door] });
  await expect(discover()).resolves.toEqual({
    streams: [
      { streamName: 'door', streamArn: door },
      { streamName: 'hall', streamArn: hall },
    ],
    isComplete: true,
  });
  expect(account.calls).toHaveLength(3);
  expect(account.calls).toEqual(
    expect.arrayContaining([
      { operation: 'describeStream', input: { StreamName: 'hall' } },
      { operation: 'describeStream', input: { StreamName: 'door' } },
      { operation: 'describeStream', input: { StreamARN: door } },
    ]),
  );
  expect(taken('warn')).toEqual([]);
});

test('leaves out a stream that is not there, says when this starts and ends, and counts it each time', async () => {
  const { discover, taken, errors } = account.discovery({ streamNames: ['door'] });
  const none = { streams: [], isComplete: true };
  await expect(discover()).resolves.toEqual(none);
  expect(errors()).toBe(1);
  expect(taken('warn')).toEqual([expect.objectContaining({ stream: 'door' })]);
  await expect(discover()).resolves.toEqual(none);
  expect(errors()).toBe(1);
  expect(taken('warn')).toEqual([]);

  const door = account.create('door');
  await expect(discover()).resolves.toMatchObject({ streams: [{ streamArn: door }] });
  expect(taken('info')).toEqual([expect.objectContaining({ stream: 'door' })]);

  expect(errors()).toBe(0);

  await account.delete(door);
  await expect(discover()).resolves.toEqual(none);
  expect(taken('warn')).toHaveLength(1);
});

test('gives the new ARN of a stream that was created again', async () => {
  const { discover } = account.discovery({ streamNames: ['door'] });
  const before = account.create('door');
  await expect(discover()).resolves.toMatchObject({ streams: [{ streamArn: before }] });
  await account.delete(before);
  const after = account.create('door');
  expect(after).not.toBe(before);
  await expect(discover()).resolves.toMatchObject({ streams: [{ streamArn: after }] });
});

test('does not take a stream for the one of the ARN before, and names both', async () => {
  const before = account.create('door');
  await account.delete(before);
  const after = account.create('door');
  const { discover, taken } = account.discovery({ streamNames: [before] });
  await expect(discover()).resolves.toEqual({ streams: [], isComplete: true });
  expect(taken('warn')).toEqual([
    expect.objectContaining({
      stream: before,
      successorArn: after,
      msg: expect.stringContaining(`"${after}"`),
    }),
  ]);
  await discover();
  expect(taken('warn')).toEqual([]);
});

test('nor where the service looks at the name in the ARN alone', async () => {
  const before = account.create('door');
  await account.delete(before);
  const after = account.create('door');
  account.intercept = ({ input }) =>
    'StreamARN' in input ? json({ StreamInfo: { StreamARN: after, Status: 'ACTIVE' } }) : null;
  const { discover, taken } = account.discovery({ streamNames: [before] });
  await expect(discover()).resolves.toEqual({ streams: [], isComplete: true });
  expect(taken('warn')).toEqual([expect.objectContaining({ stream: before, successorArn: after })]);
});

test('does not take the namesake of another account for a successor', async () => {
  account.create('door');
  const foreign = 'arn:aws:kinesisvideo:us-east-1:999999999999:stream/door/1';
  const { discover, taken } = account.discovery({ streamNames: [foreign] });
  await expect(discover()).resolves.toEqual({ streams: [], isComplete: true });
  expect(taken('warn')).toEqual([expect.objectContaining({ stream: foreign, successorArn: null })]);
});

test('a stream that is gone is gone, also where its successor may not be looked up', async () => {
  const before = account.create('door');
  await account.delete(before);
  account.intercept = ({ input }) => ('StreamName' in input ? awsError('AccessDeniedException', 403) : null);
  const { discover, taken } = account.discovery({ streamNames: [before] });
  await expect(discover()).resolves.toEqual({ streams: [], isComplete: true });
  expect(taken('warn')).toEqual([expect.objectContaining({ stream: before, successorArn: null })]);
});

test.each([
  ['CREATING', true],
  ['ACTIVE', true],
  ['UPDATING', true],
  ['DELETING', false],
])('a stream that is %s: %s', async (Status, isThere) => {
  const door = account.create('door');
  account.intercept = () => json({ StreamInfo: { StreamName: 'door', StreamARN: door, Status } });
  const { discover } = account.discovery({ streamNames: ['door'] });
  await expect(discover()).resolves.toEqual({
    streams: isThere ? [{ streamName: 'door', streamArn: door }] : [],
    isComplete: true,
  });
});

test.each([
  ['AccessDeniedException', 403],
  ['NotAuthorizedException', 401],
])(
  'goes on with what is configured on %s, and leaves it to the log of what is denied to say so',
  async (type, status) => {
    const hall = account.create('hall');
    account.intercept = () => awsError(type, status);
    const { discover, taken, errors } = account.discovery({ streamNames: ['gate', 'door', hall] });
    const streams = [
      { streamName: 'door', streamArn: null },
      { streamName: 'gate', streamArn: null },
      { streamName: 'hall', streamArn: hall },
    ];
    await expect(discover()).resolves.toEqual({ streams, isComplete: true });
    expect(account.calls).toHaveLength(3);
    expect([taken('warn'), taken('error')]).toEqual([[], []]);
    expect(errors()).toBe(0);
  },
);

test.each([
  ['throttling', awsError('ClientLimitExceededException')],
  ['a failure of the service', awsError('InternalFailure', 500)],
  ['a cut connection', { trouble: 'reset' as const }],
])('tries again after %s', async (_name, failure) => {
  const door = account.create('door');
  account.intercept = () => (account.calls.length < 4 ? failure : null);
  const { discover, taken, errors } = account.discovery({ streamNames: ['door'] });
  await expect(discover()).resolves.toEqual({
    streams: [{ streamName: 'door', streamArn: door }],
    isComplete: true,
  });
  expect(account.calls).toHaveLength(4);
  expect([taken('error'), errors()]).toEqual([[], 0]);
});

test('keeps what it knows where it cannot ask, and says that this is not all', async () => {
  const door = account.create('door');
  const hall = account.create('hall');
  const { discover, taken, errors } = account.discovery({ streamNames: ['door', 'gate', 'hall'] });
  await discover();
  await account.delete(hall);
  account.create('gate');
  taken('warn');
  const failing = ['door', 'gate'];
  account.intercept = ({ input }) =>
    failing.includes(String(input['StreamName'])) ? awsError('InternalFailure', 500) : null;
  await expect(discover()).resolves.toEqual({
    streams: [{ streamName: 'door', streamArn: door }],
    isComplete: false,
  });
  expect(taken('error')).toEqual([
    expect.objectContaining({ error: 'InternalFailure', count: 2, streams: ['door', 'gate'] }),
  ]);
  await discover();
  // Each time two that cannot be asked for, and the one that is gone; at first the one that was not there yet.
  expect(errors()).toBe(1 + 2 * 3);
});

test('takes a name to be there as long as it could never ask', async () => {
  account.intercept = () => awsError('InvalidArgumentException');
  const { discover, errors } = account.discovery({ streamNames: ['door'] });
  const unknown = { streams: [{ streamName: 'door', streamArn: null }], isComplete: false };
  await expect(discover()).resolves.toEqual(unknown);
  expect([account.calls.length, errors()]).toEqual([1, 1]);
});

test('does not ask for every stream when the service cannot be reached', async () => {
  const streamNames = Array.from({ length: 100 }, (_, index) => `camera-${index}`);
  account.intercept = () => ({ trouble: 'reset' });
  const { discover, errors } = account.discovery({ streamNames });
  const { streams, isComplete } = await discover();
  expect([streams.length, isComplete, errors()]).toEqual([100, false, 100]);
  expect(account.calls.length).toBeLessThan(100);
});

test('asks for every stream as long as some answer', async () => {
  const streamNames = Array.from({ length: 60 }, (_, index) => `camera-${index}`);
  for (const name of streamNames.slice(40)) account.create(name);
  const isFailing = (name: string) => Number(name.split('-')[1]) % 2 === 0;
  account.intercept = ({ input }) =>
    isFailing(String(input['StreamName'])) ? awsError('InternalFailure', 500) : null;
  const { discover, errors } = account.discovery({ streamNames });
  await discover();
  expect(errors()).toBe(30 + 20);
  expect(new Set(account.calls.map(({ input }) => input['StreamName'])).size).toBe(60);
});

test('ends with the signal while the service is silent', async () => {
  const controller = new AbortController();
  account.intercept = () => {
    controller.abort();
    return { trouble: 'hang' };
  };
  const { discover, taken } = account.discovery({ streamNames: ['door', 'gate'] });
  await expect(discover(controller.signal)).rejects.toMatchObject({ name: 'AbortError' });
  expect(taken('error')).toEqual([]);
});

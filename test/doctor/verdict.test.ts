import { KvsInferenceError } from '../../src/core/errors.ts';
import { verdictOf } from '../../src/doctor/verdict.ts';
import { awsError } from '../support/http-server.ts';
import { type Aws, startAws } from './aws.ts';

const NETWORK = expect.stringContaining('is there a way to the service');

const named = (name: string) => Object.assign(new Error('it failed'), { name });

test.each([
  [new KvsInferenceError('TIMEOUT', 'no answer within 10 ms'), NETWORK],
  [Object.assign(new Error('it failed'), { code: 'ENOTFOUND' }), NETWORK],
  [named('TimeoutError'), NETWORK],
  [named('ExpiredTokenException'), expect.stringContaining('sign in again')],
  [new TypeError('x is not a function'), null],
  [new KvsInferenceError('ENCODE_FAILED', 'picture cannot be encoded'), null],
  [named('ValidationException'), null],
])('%s', (error, remedy) => {
  expect(verdictOf(error)).toEqual({
    result: 'error',
    detail: expect.stringContaining(error.message),
    remedy,
    statement: null,
  });
});

test('a host of which no address answers', () => {
  const refused = (address: string) =>
    Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: 'ECONNREFUSED' });
  const error = new AggregateError([refused('::1:443'), refused('127.0.0.1:443')]);
  expect(verdictOf(Object.assign(error, { code: 'ECONNREFUSED' }))).toMatchObject({
    detail: 'ECONNREFUSED: connect ECONNREFUSED ::1:443',
    remedy: NETWORK,
  });
});

describe('of a call', () => {
  let aws: Aws;

  beforeEach(async () => {
    aws = await startAws();
  });

  afterEach(() => aws.close());

  test.each([
    ['throttled', awsError('ThrottlingException'), 'warning', 'throttled'],
    ['credentials over', awsError('ExpiredTokenException'), 'error', 'ExpiredTokenException'],
    ['nobody there', { trouble: 'reset' } as const, 'error', 'ECONNRESET'],
    ['no HTTP', { trouble: 'garbage' } as const, 'error', 'Parse Error'],
    ['else', awsError('ValidationException'), 'error', 'ValidationException happened'],
  ])('%s', async (_name, given, result, detail) => {
    aws.answer('Scan', given);
    expect(await aws.troubles()).toMatchObject([
      { check: 'Scan', result, detail: expect.stringContaining(detail), statement: null },
    ]);
  });
});

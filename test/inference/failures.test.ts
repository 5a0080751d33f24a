import { FailureLog } from '../../src/inference/failures.ts';
import type { SampledFrame } from '../../src/stream/sampled-frame.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recorded } from '../support/services.ts';

const gone = Object.assign(new Error('no such endpoint'), { name: 'ValidationError' });
const damaged = Object.assign(new Error('damaged'), { name: 'DECODE_FAILED' });

function newFailures() {
  const clock = new ManualClock();
  const observed = recorded(clock);
  const failures = new FailureLog({ clock, ...observed });
  const fail = (id: string, error: Error = gone) => {
    const [streamName, fragmentNumber, index] = id.split('/');
    const frame = { id, streamName, fragment: { fragmentNumber }, frame: { index: Number(index) } };
    failures.add(frame as SampledFrame, { error, attempts: 1 });
  };
  const errors = () => observed.lines.filter(({ level }) => level === 'error');
  const pass = (millis: number) => clock.pass(millis);
  return { failures, fail, errors, pass, ...observed };
}

test('frames that fail now and then are a line each, with stream, fragment, frame, error and attempts', () => {
  const { failures, fail, errors, lines, total } = newFailures();
  fail('front/7/0', damaged);
  failures.succeeded();
  fail('front/7/5', damaged);
  fail('back/9/0', gone);
  expect(errors()).toEqual([
    expect.objectContaining({
      id: 'front/7/0',
      streamName: 'front',
      fragmentNumber: '7',
      frameIndex: 0,
      error: 'DECODE_FAILED',
      attempts: 1,
      msg: 'frame failed: damaged',
    }),
    expect.objectContaining({ id: 'front/7/5' }),
    expect.objectContaining({ id: 'back/9/0', error: 'ValidationError' }),
  ]);
  expect(total('FramesFailed')).toBe(3);
  const byError = lines.filter((line) => line['Error'] !== undefined);
  expect(byError.map((line) => [line['Error'], line['FramesFailed']])).toEqual([
    ['DECODE_FAILED', 2],
    ['ValidationError', 1],
  ]);
});

test('an endpoint that does not exist is a line a minute, which names each frame', async () => {
  const { fail, errors, pass, total } = newFailures();
  fail('front/1/0');
  fail('front/2/0');
  await pass(59_999);
  fail('back/1/0');
  expect(errors()).toHaveLength(1);
  await pass(1);
  expect(errors()[1]).toMatchObject({
    error: 'ValidationError',
    frames: 2,
    failed: [
      { id: 'front/2/0', streamName: 'front', fragmentNumber: '2', frameIndex: 0, attempts: 1 },
      { id: 'back/1/0' },
    ],
    msg: 'frames failed: no such endpoint',
  });
  fail('front/3/0');
  await pass(60_000);
  expect(errors()[2]).toMatchObject({ frames: 1, failed: [{ id: 'front/3/0' }] });
  expect(total('FramesFailed')).toBe(4);
});

test('no frame goes without a name: a hundred are a line, and so is what is left at the end', () => {
  const { failures, fail, errors } = newFailures();
  for (let index = 0; index < 251; index += 1) fail(`front/${index}/0`);
  expect(errors().map(({ frames }) => frames)).toEqual([undefined, 100, 100]);
  failures.flush();
  failures.flush();
  const named = errors().flatMap(
    ({ id, failed }) => (failed as Array<{ id: string }>)?.map((one) => one.id) ?? [id],
  );
  expect(named).toEqual(Array.from({ length: 251 }, (_, index) => `front/${index}/0`));
});

import { FailureLog } from '../../src/inference/failures.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recorded } from '../support/services.ts';

const gone = Object.assign(new Error('no such endpoint'), { name: 'ValidationError' });

test('the first failure is told at once, the others once a minute with their number and ids', () => {
  const clock = new ManualClock();
  const { log, lines } = recorded(clock);
  const failures = new FailureLog({ log, clock, endpoint: 'detector' });
  failures.add(gone, 'a/1/0');
  failures.add(gone, 'a/2/0');
  clock.advance(59_999);
  failures.add(gone, 'b/1/0');
  failures.flushDue();
  expect(lines).toMatchObject([
    { error: 'ValidationError', endpoint: 'detector', frames: 1, ids: ['a/1/0'] },
  ]);
  clock.advance(1);
  failures.flushDue();
  expect(lines[1]).toMatchObject({
    frames: 2,
    ids: ['a/2/0', 'b/1/0'],
    msg: 'frames failed: no such endpoint',
  });
  failures.flushDue();
  failures.flush();
  expect(lines).toHaveLength(2);
});

test('each kind of error has its own line; ids are bounded, the number is not', () => {
  const clock = new ManualClock();
  const { log, lines } = recorded(clock);
  const failures = new FailureLog({ log, clock, endpoint: 'detector' });
  failures.add(gone, 'first');
  failures.add(new Error('other'), 'other');
  for (let index = 0; index < 500; index += 1) failures.add(gone, String(index));
  failures.flush();
  expect(lines.map(({ frames }) => frames)).toEqual([1, 1, 500]);
  expect(lines[2]?.['ids']).toHaveLength(100);
});

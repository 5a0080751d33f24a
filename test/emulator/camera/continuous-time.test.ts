import { ContinuousTime } from '../../../src/emulator/camera/continuous-time.ts';

function times(clock: readonly (number | null)[], durationMillis = 40): number[] {
  const time = new ContinuousTime();
  return clock.map((millis) => time.next(millis, durationMillis));
}

test.each([
  { name: 'starts at 0 wherever the file starts', clock: [5000, 5040, 5080], expected: [0, 40, 80] },
  { name: 'starts at 0 where the file starts below', clock: [-80, -40, 0], expected: [0, 40, 80] },
  { name: 'keeps pauses', clock: [0, 40, 9000, 9040], expected: [0, 40, 9000, 9040] },
  { name: 'goes on where the clock jumps ahead', clock: [0, 40, 95_000, 95_040], expected: [0, 40, 80, 120] },
  { name: 'goes on where the clock starts anew', clock: [95_000, 95_040, 0, 40], expected: [0, 40, 80, 120] },
  { name: 'counts durations where there is no clock', clock: [null, null, null], expected: [0, 40, 80] },
  { name: 'fills gaps in the clock', clock: [700, null, 780], expected: [0, 40, 80] },
])('$name', ({ clock, expected }) => {
  expect(times(clock)).toEqual(expected);
});

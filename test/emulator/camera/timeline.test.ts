import { Timeline } from '../../../src/emulator/camera/timeline.ts';
import { StepClock } from './step-clock.ts';

test('starts each fragment where the one before ended, late or not', async () => {
  const clock = new StepClock();
  const timeline = new Timeline(clock);
  const start = clock.now();

  const instants = [timeline.place(1000)];
  clock.advance(900);
  instants.push(timeline.place(1001.5));
  clock.advance(4100);
  instants.push(timeline.place(1000));

  expect(instants.map(({ timestampMillis }) => timestampMillis - start)).toEqual([0, 1000, 2001.5]);
  expect(instants.map(({ monotonicMillis }) => monotonicMillis)).toEqual([0, 1000, 2001.5]);
});

test('lets the time pass that it cannot catch up with', async () => {
  const clock = new StepClock();
  const timeline = new Timeline(clock);
  timeline.place(1000);
  clock.advance(60_000);

  expect(timeline.place(1000)).toEqual({ timestampMillis: clock.now(), monotonicMillis: 60_000 });
});

import fc from 'fast-check';
import { CheckpointTracker } from '../../src/lease/checkpoint.ts';

test('moves past a fragment only when it is complete and all its frames, and all before, are done', () => {
  const tracker = new CheckpointTracker(null);
  tracker.start('1', 1000, 0);
  expect(tracker.handOn('1', '1/0', 'bytes')).toBe(true);
  tracker.complete('1', 1);
  expect(tracker.checkpoint).toBeNull();
  tracker.start('2', 2000, 1);
  tracker.handOn('2', '2/0', 'bytes');
  tracker.settle('2', '2/0');
  expect(tracker.checkpoint).toBeNull();
  tracker.settle('1', '1/0');
  expect(tracker.checkpoint).toEqual({ fragmentNumber: '1', serverTimestampMillis: 1000, iFrameCounter: 1 });
  tracker.complete('2', 2);
  expect(tracker.checkpoint).toEqual({ fragmentNumber: '2', serverTimestampMillis: 2000, iFrameCounter: 2 });
});

test('a complete fragment without sampled frames is done at once', () => {
  const tracker = new CheckpointTracker(null);
  tracker.start('1', 1000, 4);
  tracker.complete('1', 5);
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '1', iFrameCounter: 5 });
});

test('a cut fragment that is read again hands on only what its first reading did not', () => {
  const tracker = new CheckpointTracker(null);
  tracker.start('1', 1000, 0);
  expect(tracker.handOn('1', '1/0', 'bytes')).toBe(true);
  tracker.settle('1', '1/0');
  expect(tracker.checkpoint).toBeNull();
  expect(tracker.start('1', 1000, 0)).toEqual([]);
  expect(tracker.handOn('1', '1/0', 'bytes')).toBe(false);
  expect(tracker.handOn('1', '1/5', 'bytes')).toBe(true);
  tracker.complete('1', 2);
  tracker.settle('1', '1/5');
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '1', iFrameCounter: 2 });
});

test('a frame that was not taken is handed on again', () => {
  const tracker = new CheckpointTracker(null);
  tracker.start('1', 1000, 0);
  tracker.handOn('1', '1/0', 'bytes');
  tracker.takeBack('1', '1/0');
  expect(tracker.handOn('1', '1/0', 'bytes')).toBe(true);
});

test('a frame whose bytes were damaged at the first reading is handed on again, and done when both are', () => {
  const tracker = new CheckpointTracker(null);
  tracker.start('1', 1000, 0);
  tracker.handOn('1', '1/0', 'damaged');
  tracker.start('1', 1000, 0);
  expect(tracker.handOn('1', '1/0', 'bytes')).toBe(true);
  expect(tracker.handOn('1', '1/0', 'bytes')).toBe(false);
  tracker.complete('1', 1);
  tracker.settle('1', '1/0');
  expect(tracker.checkpoint).toBeNull();
  tracker.settle('1', '1/0');
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '1' });
});

test('a cut fragment that never comes again is named, and holds the checkpoint no longer', () => {
  const tracker = new CheckpointTracker(null);
  tracker.start('1', 1000, 0);
  tracker.handOn('1', '1/0', 'bytes');
  expect(tracker.start('3', 3000, 7)).toEqual(['1']);
  tracker.complete('3', 8);
  expect(tracker.checkpoint).toBeNull();
  tracker.settle('1', '1/0');
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '3', iFrameCounter: 8 });
});

test('a frame that goes to two endpoints is done when both results are', () => {
  const tracker = new CheckpointTracker(null);
  tracker.start('1', 1000, 0);
  expect([tracker.handOn('1', '1/0/one', 'bytes'), tracker.handOn('1', '1/0/two', 'bytes')]).toEqual([
    true,
    true,
  ]);
  tracker.complete('1', 1);
  tracker.settle('1', '1/0/two');
  expect(tracker.checkpoint).toBeNull();
  tracker.settle('1', '1/0/one');
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '1' });
});

test('goes on from the checkpoint it is given', () => {
  const checkpoint = { fragmentNumber: '9', serverTimestampMillis: 5000, iFrameCounter: 3 };
  expect(new CheckpointTracker(checkpoint).checkpoint).toBe(checkpoint);
});

test('whatever the order in which frames are done, the checkpoint never passes an undone frame', () => {
  const fragments = fc.array(fc.nat(4), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fragments, fc.infiniteStream(fc.nat()), (frameCounts, random) => {
      const tracker = new CheckpointTracker(null);
      const undone: Array<[number, number]> = [];
      frameCounts.forEach((frames, number) => {
        tracker.start(String(number), number, number);
        for (let index = 0; index < frames; index += 1) {
          tracker.handOn(String(number), `${index}`, 'bytes');
          undone.push([number, index]);
        }
        tracker.complete(String(number), number + 1);
      });
      while (undone.length > 0) {
        const [settled] = undone.splice((random.next().value ?? 0) % undone.length, 1);
        tracker.settle(String(settled?.[0]), `${settled?.[1]}`);
        const firstUndone = Math.min(...undone.map(([number]) => number), frameCounts.length);
        const expected = firstUndone === 0 ? null : String(firstUndone - 1);
        expect(tracker.checkpoint?.fragmentNumber ?? null).toBe(expected);
      }
    }),
  );
});

import { DropLog, type DropReason } from '../../src/inference/drops.ts';
import type { SampledFrame } from '../../src/stream/sampled-frame.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recorded } from '../support/services.ts';

function newDrops() {
  const clock = new ManualClock();
  const observed = recorded(clock);
  const drops = new DropLog({ clock, ...observed });
  const drop = (id: string, reason: DropReason = 'QUEUE_FULL') =>
    drops.add({ id, streamName: id.split('/')[0] } as SampledFrame, reason);
  const said = () =>
    observed.lines.filter(({ ids }) => ids !== undefined).map(({ reason, ids }) => [reason, ids]);
  const pass = (millis: number) => clock.pass(millis);
  return { drops, drop, said, pass, ...observed };
}

test('those of a second share lines, by stream and reason', async () => {
  const { drop, said, pass, total } = newDrops();
  drop('a/1/0');
  drop('b/1/0');
  await pass(999);
  drop('a/2/0');
  drop('a/3/0', 'TOO_OLD');
  expect(said()).toEqual([]);
  await pass(1);
  expect(said()).toEqual([
    ['QUEUE_FULL', ['a/1/0', 'a/2/0']],
    ['QUEUE_FULL', ['b/1/0']],
    ['TOO_OLD', ['a/3/0']],
  ]);
  drop('a/4/0');
  await pass(1000);
  expect(said().slice(3)).toEqual([['QUEUE_FULL', ['a/4/0']]]);
  const names = ['FramesDropped', 'FramesDroppedQueueFull', 'FramesDroppedTooOld'];
  expect(names.map((name) => total(name, 'a'))).toEqual([4, 3, 1]);
});

test('every frame is named: a full line is written at once, what is left at the end', () => {
  const { drop, drops, said } = newDrops();
  for (let index = 0; index < 250; index += 1) drop(`a/${index}/0`);
  expect(said().map(([, ids]) => (ids as string[]).length)).toEqual([100, 100]);
  drops.flush();
  drops.flush();
  expect(said().flatMap(([, ids]) => ids)).toEqual(Array.from({ length: 250 }, (_, index) => `a/${index}/0`));
});

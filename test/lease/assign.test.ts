import fc from 'fast-check';
import { hopelessRequests, type Sharer, shareOf, shouldHandOver } from '../../src/lease/assign.ts';
import type { LeaseRequest } from '../../src/lease/worker-item.ts';

const worker = (
  workerId: string,
  leaseCount: number,
  options: { isLeaving?: boolean; requests?: Array<[string, LeaseRequest]> } = {},
): Sharer => ({
  workerId,
  leaseCount,
  isLeaving: options.isLeaving ?? false,
  requests: new Map(options.requests),
});

const NOTHING = { take: { from: 0, to: 0 }, ask: [], withdraw: 0 };

test('a worker alone takes everything', () => {
  expect(shareOf('a', [worker('a', 0)], 7)).toEqual({ take: { from: 0, to: 7 }, ask: [], withdraw: 0 });
});

test('leases without an owner go to those with the fewest, in parts that do not overlap', () => {
  const workers = [worker('a', 3), worker('b', 0), worker('c', 1)];
  expect(shareOf('b', workers, 4).take).toEqual({ from: 0, to: 2 });
  expect(shareOf('c', workers, 4).take).toEqual({ from: 2, to: 4 });
  expect(shareOf('a', workers, 4)).toEqual(NOTHING);
});

test('what leases without an owner do not make up for is asked from those with too many', () => {
  const workers = [worker('a', 6), worker('b', 5), worker('c', 0), worker('d', 0)];
  // Targets: a 3, b 3, c 3, d 3 of 12, one of which has no owner.
  expect(shareOf('c', workers, 1)).toEqual({
    take: { from: 0, to: 1 },
    ask: [{ owner: 'a', skip: 0, count: 2 }],
    withdraw: 0,
  });
  expect(shareOf('d', workers, 1).ask).toEqual([
    { owner: 'a', skip: 2, count: 1 },
    { owner: 'b', skip: 0, count: 2 },
  ]);
});

test('where nobody has two more than another, nothing moves', () => {
  const workers = [worker('a', 2), worker('b', 3), worker('c', 2)];
  for (const { workerId } of workers) expect(shareOf(workerId, workers, 0)).toEqual(NOTHING);
});

test('everything is asked from a worker that leaves, and it takes nothing', () => {
  const workers = [worker('a', 4, { isLeaving: true }), worker('b', 2), worker('c', 2)];
  expect(shareOf('a', workers, 3)).toMatchObject({ take: { from: 0, to: 0 }, ask: [] });
  expect(shareOf('b', workers, 0).ask).toEqual([{ owner: 'a', skip: 0, count: 2 }]);
  expect(shareOf('c', workers, 0).ask).toEqual([{ owner: 'a', skip: 2, count: 2 }]);
});

test('what is asked for already counts; what is too much is withdrawn', () => {
  const requests: Array<[string, LeaseRequest]> = [
    ['x', { owner: 'a', kind: 'HAND_OVER' }],
    ['y', { owner: 'a', kind: 'HAND_OVER' }],
  ];
  expect(shareOf('b', [worker('a', 4), worker('b', 0, { requests })], 0)).toEqual(NOTHING);
  const three = [worker('a', 4), worker('b', 1, { requests }), worker('c', 1)];
  expect(shareOf('b', three, 0)).toEqual({ ...NOTHING, withdraw: 1 });
});

test('an owner gives only while it has two more, counting what it has promised, or when it leaves', () => {
  const stays = (leaseCount: number) => ({ leaseCount, isLeaving: false });
  const none = { byOwner: 0, toAsker: 0 };
  expect(shouldHandOver(stays(3), { leaseCount: 1 }, none)).toBe(true);
  expect(shouldHandOver(stays(3), { leaseCount: 2 }, none)).toBe(false);
  expect(shouldHandOver(stays(4), { leaseCount: 1 }, { byOwner: 1, toAsker: 1 })).toBe(false);
  expect(shouldHandOver({ leaseCount: 1, isLeaving: true }, { leaseCount: 5 }, none)).toBe(true);
});

test('workers that see the same overlap nowhere, and are balanced when all is done', () => {
  const fleet = fc.array(fc.record({ leases: fc.nat(20), isLeaving: fc.boolean() }), {
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(fleet, fc.nat(30), (loads, unowned) => {
      const workers = loads.map(({ leases, isLeaving }, index) => worker(`w${index}`, leases, { isLeaving }));
      if (workers.every(({ isLeaving }) => isLeaving)) return;
      const after = new Map(workers.map(({ workerId, leaseCount }) => [workerId, leaseCount]));
      const add = (workerId: string, count: number) =>
        after.set(workerId, (after.get(workerId) ?? 0) + count);
      const taken: number[] = [];
      const asked = new Set<string>();
      for (const { workerId } of workers) {
        const { take, ask } = shareOf(workerId, workers, unowned);
        for (let index = take.from; index < take.to; index += 1) taken.push(index);
        add(workerId, take.to - take.from);
        for (const { owner, skip, count } of ask) {
          for (let index = skip; index < skip + count; index += 1) {
            expect(asked.has(`${owner} ${index}`)).toBe(false);
            asked.add(`${owner} ${index}`);
          }
          add(owner, -count);
          add(workerId, count);
        }
      }
      expect(taken.sort((one, other) => one - other)).toEqual(
        Array.from({ length: unowned }, (_, index) => index),
      );
      const staying = workers
        .filter(({ isLeaving }) => !isLeaving)
        .map(({ workerId }) => after.get(workerId) ?? 0);
      expect(Math.max(...staying) - Math.min(...staying)).toBeLessThanOrEqual(1);
      for (const { workerId, isLeaving } of workers) if (isLeaving) expect(after.get(workerId)).toBe(0);
    }),
  );
});

test('requests that would be refused are withdrawn, so that workers do not ask around in a circle', () => {
  const ask = (owner: string, ...keys: string[]): Array<[string, LeaseRequest]> =>
    keys.map((key) => [key, { owner, kind: 'HAND_OVER' }]);
  const circle = [
    worker('a', 4, { requests: ask('b', 'x') }),
    worker('b', 4, { requests: ask('c', 'y') }),
    worker('c', 4, { requests: ask('a', 'z') }),
  ];
  expect(circle.map((asker) => hopelessRequests(asker, circle))).toEqual([['x'], ['y'], ['z']]);
  const asker = worker('a', 1, { requests: [...ask('b', 'x', 'y'), ...ask('gone', 'z')] });
  // The second would leave b with as many as a: 3 and 1, then 2 and 2.
  expect(hopelessRequests(asker, [asker, worker('b', 3)])).toEqual(['y', 'z']);
  expect(hopelessRequests(asker, [asker, worker('b', 3, { isLeaving: true })])).toEqual(['z']);
});

import { ByteBudget, type ByteShare } from '../../src/inference/byte-budget.ts';

/** A share that takes what is in its list, in order, as soon as it may, and what it has taken. */
function taker(budget: ByteBudget, wanted: number[] = []) {
  const share = budget.share();
  const taken: number[] = [];
  let isLooking = false;
  const look = () => {
    if (isLooking) return;
    isLooking = true;
    for (let [next] = wanted; next !== undefined && share.take(next); [next] = wanted) {
      taken.push(next);
      wanted.shift();
    }
    share.claim(wanted[0] ?? null);
    isLooking = false;
  };
  share.onRoom(look);
  const want = (...bytes: number[]) => {
    wanted.push(...bytes);
    look();
  };
  const giveOldest = () => share.give(taken.shift() ?? 0);
  return { share, taken, want, giveOldest };
}

test('one share has all of it, to the byte', () => {
  const { share, taken, want, giveOldest } = taker(new ByteBudget(100));
  want(60, 40, 1);
  expect([taken, share.held]).toEqual([[60, 40], 100]);
  giveOldest();
  expect(taken).toEqual([40, 1]);
});

test('each share is an equal part, whatever the others hold', () => {
  const budget = new ByteBudget(100);
  const [full, other] = [taker(budget), taker(budget)];
  full.want(30, 20, 1);
  expect(full.taken).toEqual([30, 20]);
  other.want(50);
  expect([other.taken, budget.held]).toEqual([[50], 100]);
});

test('what is larger than a share gets in when its own is empty and the total has room', () => {
  const budget = new ByteBudget(100);
  const [large, other] = [taker(budget), taker(budget)];
  other.want(30, 10);
  large.want(10, 65);
  expect(large.taken).toEqual([10]);
  large.giveOldest();
  expect(large.taken).toEqual([]);
  other.giveOldest();
  expect([large.taken, budget.held]).toEqual([[65], 75]);
  // While it is inside, the others have what remains.
  other.want(20, 10);
  expect([other.taken, budget.held]).toEqual([[10, 20], 95]);
});

test('what is larger than the total gets in alone', () => {
  const budget = new ByteBudget(100);
  const [large, other] = [taker(budget), taker(budget)];
  other.want(10);
  large.want(500);
  expect(large.taken).toEqual([]);
  other.want(10);
  other.giveOldest();
  expect([large.taken, other.taken]).toEqual([[500], []]);
  large.giveOldest();
  expect([large.taken, other.taken]).toEqual([[], [10]]);
});

test('a large one is not kept out for ever by small ones of the others', () => {
  const budget = new ByteBudget(100);
  const [large, ...others] = [taker(budget), taker(budget), taker(budget)];
  for (const other of others) other.want(...Array<number>(50).fill(10));
  expect(others.map(({ taken }) => taken.length)).toEqual([3, 3]);
  large.want(95);
  let given = 0;
  while (large.taken.length === 0 && given < 20) {
    others[given % 2]?.giveOldest();
    given += 1;
  }
  // The others have waited for longer: each gets one more before.
  expect([given, large.taken]).toEqual([8, [95]]);
  large.giveOldest();
  expect(others.map(({ taken }) => taken.length)).toEqual([3, 3]);
});

test('several large ones take turns, also with small ones', () => {
  const budget = new ByteBudget(100);
  const takers = [taker(budget), taker(budget), taker(budget)];
  const [first, second, small] = takers;
  first?.want(...Array<number>(5).fill(90));
  second?.want(...Array<number>(5).fill(80));
  small?.want(...Array<number>(5).fill(30));
  const order: string[] = [];
  for (let round = 0; round < 7; round += 1) {
    order.push(takers.map(({ taken }) => taken.join('+')).join(' '));
    takers.find(({ taken }) => taken.length > 0)?.giveOldest();
  }
  expect(order).toEqual(['90  ', '90  ', ' 80 ', '  30', '90  ', ' 80 ', '  30']);
});

describe('a queue that pauses', () => {
  function three(): [ByteShare, ReturnType<typeof taker>, ReturnType<typeof taker>] {
    const budget = new ByteBudget(90);
    const down = budget.share();
    expect(down.take(30)).toBe(true);
    down.setPaused(true);
    return [down, taker(budget), taker(budget)];
  }

  test('holds up nobody but what needs its bytes', () => {
    const [down, large, other] = three();
    large.want(70);
    expect([large.share.isStuck(70), large.share.isStuck(60), other.share.isStuck(90)]).toEqual([
      true,
      false,
      true,
    ]);
    other.want(30);
    other.giveOldest();
    other.want(25);
    expect(other.taken).toEqual([25]);
    // When it goes on, the claim counts again.
    down.setPaused(false);
    other.want(5);
    expect([large.taken, other.taken]).toEqual([[], [25]]);
    down.give(30);
    other.giveOldest();
    expect([large.taken, other.taken]).toEqual([[70], [5]]);
  });

  test('lets go on whoever waited behind a claim on its bytes', () => {
    const budget = new ByteBudget(90);
    const [down, large, other] = [taker(budget), taker(budget), taker(budget)];
    down.want(30);
    large.want(70);
    other.want(25);
    expect([large.taken, other.taken]).toEqual([[], []]);
    down.share.setPaused(true);
    expect([large.taken, other.taken]).toEqual([[], [25]]);
  });

  test('with something inside has no room for what is larger than its share', () => {
    const [down] = three();
    expect([down.isStuck(31), down.isStuck(30)]).toEqual([true, false]);
  });
});

describe('while it is used', () => {
  test('the total becomes larger at once, and smaller without taking anything away', () => {
    const budget = new ByteBudget(50);
    const { taken, want, giveOldest } = taker(budget);
    want(30, 30, 30);
    budget.total = 60;
    expect(taken).toEqual([30, 30]);
    budget.total = 40;
    giveOldest();
    expect([taken, budget.held]).toEqual([[30], 30]);
    giveOldest();
    expect(taken).toEqual([30]);
  });

  test('shares come and go', () => {
    const budget = new ByteBudget(100);
    const first = taker(budget);
    first.want(40);
    const second = taker(budget);
    first.want(20);
    expect(first.taken).toEqual([40]);
    second.want(50);
    expect(() => second.share.close()).toThrow('a share is closed that holds 50 bytes');
    second.giveOldest();
    second.share.close();
    expect([first.taken, budget.held]).toEqual([[40, 20], 60]);
  });

  test('whoever wants nothing any more holds up nobody', () => {
    const budget = new ByteBudget(100);
    const [large, other] = [budget.share(), taker(budget)];
    other.want(10);
    large.claim(95);
    other.want(10);
    expect(other.taken).toEqual([10]);
    large.claim(null);
    expect(other.taken).toEqual([10, 10]);
  });

  test('tells what would be if something were given back', () => {
    const budget = new ByteBudget(100);
    const [share, other] = [budget.share(), budget.share()];
    share.take(40);
    other.take(50);
    expect([share.hasRoom(20, 0), share.hasRoom(20, 10), share.hasRoom(60, 40)]).toEqual([
      false,
      true,
      false,
    ]);
  });
});

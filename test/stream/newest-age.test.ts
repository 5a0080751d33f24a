import { NewestAge } from '../../src/stream/newest-age.ts';

/** One of a stream of which everything before is answered; and whether something is under way. */
function newAge(answeredMillis: number | null = null) {
  const frames = { areUnderWay: false };
  return { age: new NewestAge({ answeredMillis, isUnderWay: () => frames.areUnderWay }), frames };
}

test('nothing ever seen: 0, also when it is certain that there is nothing', () => {
  const { age } = newAge();
  expect(age.at(1000)).toBe(0);
  age.caughtUp(2000);
  expect(age.at(9000)).toBe(0);
});

test('rises from the first video until something comes of it, then from what that came of', () => {
  const { age } = newAge();
  age.videoCame(1000);
  age.videoCame(3000);
  expect(age.at(4000)).toBe(3000);
  age.came(1500, 4000);
  expect([age.at(4000), age.at(5000)]).toEqual([2500, 3500]);
});

describe('a fragment that has been read to its end', () => {
  test('and of which nothing was handed on leaves the age as it was', () => {
    const { age } = newAge();
    age.videoCame(1000);
    expect(age.at(3000)).toBe(2000);
    age.fragmentRead(1000);
    expect(age.at(1e9)).toBe(0);
    age.videoCame(4000);
    age.handedOn(4000);
    age.came(4000, 4700);
    age.fragmentRead(4000);
    age.videoCame(6000);
    age.fragmentRead(6000);
    expect(age.at(1e9)).toBe(700);
  });

  test('and of which something was handed on is due until that, or something newer, has come', () => {
    const { age } = newAge();
    age.videoCame(1000);
    age.handedOn(1080);
    age.fragmentRead(1000);
    age.videoCame(2000);
    age.fragmentRead(2000);
    // Neither under way nor there: it has failed.
    expect(age.at(9000)).toBe(8000);
    age.videoCame(9000);
    age.handedOn(9000);
    age.fragmentRead(9000);
    expect(age.at(10_000)).toBe(9000);
    age.came(9000, 10_000);
    expect(age.at(1e9)).toBe(1000);
  });

  test('ends what nobody knew while reading failed', () => {
    const { age } = newAge(1000);
    age.readingFailed(5000);
    age.videoCame(6000);
    expect(age.at(8000)).toBe(2000);
    age.readingFailed(8000);
    expect(age.at(9000)).toBe(3000);
    age.videoCame(6000);
    age.fragmentRead(6000);
    expect(age.at(20_000)).toBe(0);
    age.readingFailed(21_000);
    expect(age.at(22_000)).toBe(16_000);
  });
});

describe('a camera that is idle', () => {
  test('keeps the age that the newest had when it came', () => {
    const { age } = newAge();
    age.videoCame(1000);
    age.came(1000, 1700);
    expect(age.at(3000)).toBe(2000);
    age.caughtUp(4000);
    expect([age.at(4000), age.at(1e9)]).toEqual([700, 700]);
  });

  test('has none before anything has come, though it had video', () => {
    const { age } = newAge();
    age.videoCame(1000);
    age.handedOn(1000);
    age.caughtUp(4000);
    expect(age.at(9000)).toBe(0);
  });

  test('leaves what is under way due', () => {
    const { age, frames } = newAge();
    age.videoCame(1000);
    age.came(1000, 1700);
    age.videoCame(2000);
    frames.areUnderWay = true;
    age.caughtUp(4000);
    expect(age.at(9000)).toBe(8000);
    age.videoCame(9500);
    expect(age.at(10_000)).toBe(9000);
    age.caughtUp(12_000);
    age.came(2000, 12_500);
    frames.areUnderWay = false;
    expect(age.at(1e9)).toBe(10_500);
  });

  test('begins anew with its next video', () => {
    const { age } = newAge();
    age.videoCame(1000);
    age.came(1000, 1700);
    age.caughtUp(4000);
    age.videoCame(60_000);
    age.videoCame(61_000);
    expect(age.at(63_000)).toBe(3000);
    age.came(60_500, 63_000);
    expect(age.at(63_500)).toBe(3000);
  });
});

describe('while the stream cannot be read', () => {
  test('rises from when all was known to be read', () => {
    const { age } = newAge();
    age.videoCame(1000);
    age.came(1000, 1700);
    age.caughtUp(50_000);
    age.caughtUp(60_000);
    age.readingFailed(61_000);
    age.readingFailed(65_000);
    expect(age.at(70_000)).toBe(10_000);
    age.caughtUp(71_000);
    expect(age.at(80_000)).toBe(700);
  });

  test('goes on rising where video has come', () => {
    const { age } = newAge();
    age.videoCame(1000);
    age.came(1200, 1700);
    age.readingFailed(5000);
    expect(age.at(7200)).toBe(6000);
  });

  test('rises from the first failure where nothing is known', () => {
    const { age } = newAge();
    age.readingFailed(5000);
    age.readingFailed(6000);
    expect(age.at(7000)).toBe(2000);
  });
});

describe('a stream of which everything before is answered', () => {
  test('is 0 until it is known whether there is more', () => {
    expect(newAge(1000).age.at(9000)).toBe(0);
  });

  test('goes on from that while it cannot be read', () => {
    const { age } = newAge(1000);
    age.readingFailed(8000);
    expect(age.at(9000)).toBe(8000);
  });

  test('goes on from its first video, as there was none before', () => {
    const { age } = newAge(1000);
    age.videoCame(8000);
    expect(age.at(9000)).toBe(1000);
  });
});

test('what comes late, or again for another endpoint, changes nothing', () => {
  const { age } = newAge();
  age.videoCame(1000);
  age.came(3000, 3500);
  age.came(2000, 4000);
  age.came(3000, 5000);
  expect(age.at(6000)).toBe(3000);
  age.caughtUp(6000);
  expect(age.at(9000)).toBe(500);
});

test('clocks that disagree give no negative age', () => {
  const { age } = newAge();
  age.videoCame(2000);
  expect(age.at(1500)).toBe(0);
  age.came(2000, 1900);
  age.caughtUp(3000);
  expect(age.at(4000)).toBe(0);
});

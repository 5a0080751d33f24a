import { jest } from '@jest/globals';
import { type Body, fragment, read, streamError } from './read-bodies.ts';

/** The fragment n has the server timestamp 1,000,000 + 1,000 n; the reading begins 100 s after the fragment 0. */
const LIVE = { at: 100_000, maxFrameAge: 5000 };
const OLD = { fragmentNumber: '4', serverTimestampMillis: 1_004_000, iFrameCounter: 7 };
const AFTER_4 = { type: 'AFTER_FRAGMENT', fragmentNumber: '4' };
const FIVE_SECONDS_AGO = { type: 'SERVER_TIMESTAMP', millis: 1_095_000 };

const skips = (lines: ReadonlyArray<Record<string, unknown>>) =>
  lines.filter(({ msg }) => String(msg).startsWith('skipped to stay fresh'));

test('after downtime reading starts at now minus the maximum age; what is skipped is counted and named', async () => {
  const { ids, lines, positions, total, submitted, tracker } = await read({
    ...LIVE,
    checkpoint: OLD,
    bodies: [[fragment(95), fragment(96)]],
    interval: 4,
  });
  expect(positions).toEqual([FIVE_SECONDS_AGO, { type: 'AFTER_FRAGMENT', fragmentNumber: '96' }]);
  // The counter goes on.
  expect(ids).toEqual(['front/95/2']);
  for (const { settle } of submitted) settle('PUBLISHED');
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '96', iFrameCounter: 11 });
  expect([total('Skips', 'front'), total('Gaps', 'front')]).toEqual([1, 0]);
  expect(lines).toContainEqual(expect.objectContaining({ SkippedDuration: [91_000] }));
  expect(skips(lines)).toEqual([
    expect.objectContaining({
      level: 'warn',
      streamName: 'front',
      before: { fragmentNumber: '4', serverTimestampMillis: 1_004_000 },
      after: { fragmentNumber: '95', serverTimestampMillis: 1_095_000 },
      spanMillis: 91_000,
    }),
  ]);
});

test.each([
  ['in lossless mode', { at: 100_000, maxFrameAge: 0 }],
  ['while the checkpoint is young enough', { at: 9000, maxFrameAge: 5000 }],
])('nothing is skipped %s', async (_name, options) => {
  const { positions, total } = await read({ ...options, checkpoint: OLD, bodies: [[fragment(5)]] });
  expect(positions[0]).toEqual(AFTER_4);
  expect(total('Skips', 'front')).toBe(0);
});

test('a stream that is read for the first time, long after its start, is skipped into as well', async () => {
  const { positions, lines } = await read({
    ...LIVE,
    start: { type: 'SERVER_TIMESTAMP', millis: 1_002_000 },
    bodies: [[fragment(96)]],
  });
  expect(positions[0]).toEqual(FIVE_SECONDS_AGO);
  expect(skips(lines)).toMatchObject([{ before: { fragmentNumber: null }, spanMillis: 93_000 }]);
});

test('the idleness of a camera is no downtime, however long it lasts', async () => {
  const idle: Body = [60_000];
  const { positions, total } = await read({
    at: 6000,
    maxFrameAge: 5000,
    checkpoint: OLD,
    bodies: [idle, idle, idle, [fragment(200)]],
  });
  expect(positions.slice(0, 4)).toEqual([AFTER_4, AFTER_4, AFTER_4, AFTER_4]);
  expect(total('Skips', 'front')).toBe(0);
});

test('where the camera is idle after what is skipped, the skipped video stays so', async () => {
  const { positions, total, lines } = await read({
    ...LIVE,
    checkpoint: OLD,
    bodies: [[], [60_000], [fragment(170)]],
  });
  expect(positions.slice(0, 3)).toEqual([FIVE_SECONDS_AGO, FIVE_SECONDS_AGO, FIVE_SECONDS_AGO]);
  expect(total('Skips', 'front')).toBe(1);
  expect(skips(lines)).toMatchObject([{ before: { fragmentNumber: '4' }, spanMillis: 91_000 }]);
});

test('where what was read last comes again, nothing was skipped', async () => {
  const { ids, total } = await read({
    ...LIVE,
    checkpoint: OLD,
    bodies: [[fragment(4), fragment(5)]],
  });
  expect(ids).toEqual(['front/5/0', 'front/5/2']);
  expect(total('Skips', 'front')).toBe(0);
});

test('connections that fail for long are downtime: a fragment they cut is skipped with the rest, and no gap', async () => {
  const cut = fragment(99).subarray(0, fragment(99).indexOf('99/2'));
  const { positions, submitted, total, tracker, lines } = await read({
    ...LIVE,
    bodies: [[fragment(98), cut, new Error('reset')], [60_000, new Error('reset')], [fragment(160)]],
  });
  expect(positions[1]).toEqual({ type: 'AFTER_FRAGMENT', fragmentNumber: '98' });
  expect(positions[2]).toMatchObject({ type: 'SERVER_TIMESTAMP' });
  for (const { settle } of submitted) settle('PUBLISHED');
  expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '160' });
  expect([total('Skips', 'front'), total('Gaps', 'front')]).toEqual([1, 0]);
  expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
});

test('where nothing is stored any more of what is skipped, that is no gap either', async () => {
  const { positions, total } = await read({
    ...LIVE,
    checkpoint: OLD,
    bodies: [[streamError('4000')], [fragment(100)]],
  });
  expect(positions.slice(0, 2).map(({ type }) => type)).toEqual(['SERVER_TIMESTAMP', 'SERVER_TIMESTAMP']);
  expect([total('Skips', 'front'), total('Gaps', 'front')]).toEqual([1, 0]);
});

test('a fragment that is late is known by its tags: the stream is not up to date because it was read', async () => {
  const late = { millisBehindNow: '60000' };
  const { positions } = await read({
    at: 9000,
    maxFrameAge: 5000,
    checkpoint: OLD,
    bodies: [[60_000, fragment(5, late), new Error('reset')]],
  });
  expect(positions[0]).toEqual(AFTER_4);
  expect(positions[1]).toMatchObject({ type: 'SERVER_TIMESTAMP' });
});

test.each([5000, 2000, 500])(
  'neither is the pause between two bodies of an idle camera: %s ms',
  async (maxFrameAge) => {
    const random = jest.spyOn(Math, 'random').mockReturnValue(0.999);
    const idle: Body = [3000];
    const { clock, positions, total } = await read({
      at: 6000,
      maxFrameAge,
      bodies: [[fragment(5, { millisBehindNow: '0' }), 3000], idle, idle, [fragment(30)]],
    });
    random.mockRestore();
    expect(clock.sleeps).toContain(4996);
    const after5 = { type: 'AFTER_FRAGMENT', fragmentNumber: '5' };
    expect(positions.slice(1, 4)).toEqual([after5, after5, after5]);
    expect(total('Skips', 'front')).toBe(0);
  },
);

test('silence before and after what is skipped is not counted', async () => {
  const { lines, total } = await read({
    ...LIVE,
    checkpoint: OLD,
    // Skipped from 1,004,000 to 1,095,000; then nothing for a minute; then nobody listens for another one.
    bodies: [[60_000], [60_000, new Error('reset')], [fragment(900)]],
  });
  const [skip] = skips(lines);
  expect(total('Skips', 'front')).toBe(1);
  expect(Number(skip?.['spanMillis'])).toBeGreaterThan(91_000 + 50_000);
  expect(Number(skip?.['spanMillis'])).toBeLessThan(91_000 + 60_000);
});

test('what the first fragment holds of the time before is not counted', async () => {
  const { lines } = await read({ ...LIVE, checkpoint: OLD, bodies: [[fragment(93)]] });
  expect(skips(lines)).toMatchObject([{ spanMillis: 89_000 }]);
});

describe('a fragment that was cut before the downtime and comes again', () => {
  const cut = (number: number) => fragment(number).subarray(0, fragment(number).indexOf(`${number}/2`));

  test('follows what was read: nothing was skipped', async () => {
    const { ids, positions, total, tracker, submitted } = await read({
      ...LIVE,
      bodies: [
        [fragment(98), cut(99), 60_000, new Error('reset')],
        [fragment(99), fragment(100)],
      ],
    });
    expect(positions[1]).toMatchObject({ type: 'SERVER_TIMESTAMP' });
    expect(ids).toEqual([
      'front/98/0',
      'front/98/2',
      'front/99/0',
      'front/99/2',
      'front/100/0',
      'front/100/2',
    ]);
    for (const { settle } of submitted) settle('PUBLISHED');
    expect(tracker.checkpoint).toMatchObject({ fragmentNumber: '100' });
    expect([total('Skips', 'front'), total('Gaps', 'front')]).toEqual([0, 0]);
  });

  test('follows what was skipped before it, if anything was', async () => {
    const { lines } = await read({
      ...LIVE,
      checkpoint: OLD,
      bodies: [
        [cut(95), 60_000, new Error('reset')],
        [fragment(95), fragment(96)],
      ],
    });
    expect(skips(lines)).toMatchObject([
      { before: { fragmentNumber: '4' }, after: { fragmentNumber: '95' }, spanMillis: 91_000 },
    ]);
  });
});

test('when the mode becomes lossless nothing is skipped that is not yet', async () => {
  const { ids, positions, total } = await read({
    ...LIVE,
    maxFrameAge: [5000, 0],
    checkpoint: OLD,
    bodies: [new Error('reset'), [fragment(5)]],
  });
  expect(positions.slice(0, 2)).toEqual([FIVE_SECONDS_AGO, AFTER_4]);
  expect(ids).toEqual(['front/5/0', 'front/5/2']);
  expect(total('Skips', 'front')).toBe(0);
});

test('but what lies before a fragment whose frames were handed on stays skipped', async () => {
  const cut = fragment(95).subarray(0, fragment(95).indexOf('95/2'));
  const { ids, positions, total } = await read({
    ...LIVE,
    maxFrameAge: [5000, 0],
    checkpoint: OLD,
    bodies: [[cut, new Error('reset')], [fragment(95), fragment(96)], []],
  });
  expect(positions.slice(0, 3)).toEqual([
    FIVE_SECONDS_AGO,
    FIVE_SECONDS_AGO,
    { type: 'AFTER_FRAGMENT', fragmentNumber: '96' },
  ]);
  expect(ids).toEqual(['front/95/0', 'front/95/2', 'front/96/0', 'front/96/2']);
  expect(total('Skips', 'front')).toBe(1);
});

import { failOverGaps, handOverGaps, type LeaseEvent, leaseEvent, ownedStreams } from './observation.ts';

const event = (
  atMillis: number,
  worker: string,
  type: LeaseEvent['type'],
  streamName = 'front',
  successor: string | null = null,
): LeaseEvent => ({ atMillis, worker, type, streamName, successor });

const NONE = { millis: [], open: 0 };

describe('a log line', () => {
  const line = {
    time: '2026-01-01T00:00:00.250Z',
    worker: 'one',
    streamName: 'front',
    msg: 'lease taken',
  };

  test('about a lease', () => {
    expect(leaseEvent(line)).toEqual(event(Date.UTC(2026, 0, 1, 0, 0, 0, 250), 'one', 'taken'));
    expect(leaseEvent({ ...line, msg: 'reading again' })).toMatchObject({ type: 'reading' });
    const successor = '0123abcd-4567-89ef-0123-456789abcdef';
    expect(leaseEvent({ ...line, msg: 'lease handed over', successor })).toMatchObject({
      type: 'handedOver',
      successor: '0123abcd',
    });
  });

  test.each([
    ['of another message', { ...line, msg: 'worker started' }],
    ['of the name of a property of all objects', { ...line, msg: 'toString' }],
    ['without a stream', { ...line, streamName: undefined }],
    ['without a worker', { ...line, worker: undefined }],
    ['without a message, as metrics are', { ...line, msg: undefined }],
  ])('%s tells nothing', (_name, other) => {
    expect(leaseEvent(other)).toBeNull();
  });
});

test('a stream is owned from its taking until it is let go, or taken by another worker', () => {
  const events = [
    event(10, 'one', 'taken'),
    event(20, 'two', 'taken', 'back'),
    event(30, 'one', 'handedOver', 'front', 'two'),
    event(40, 'two', 'taken'),
    // A worker that was paused comes late: it lets go what was not its own any more.
    event(50, 'one', 'released'),
  ];
  expect(ownedStreams(events, 'one', 9)).toEqual([]);
  expect(ownedStreams(events, 'one', 29)).toEqual(['front']);
  expect(ownedStreams(events, 'one', 30)).toEqual([]);
  expect(ownedStreams(events, 'two', 30).sort()).toEqual(['back', 'front']);
  expect(ownedStreams(events, 'two', 60).sort()).toEqual(['back', 'front']);
});

test('fail-over: from the kill to the first reading of another worker, for each stream that was owned', () => {
  const events = [
    event(0, 'one', 'taken', 'front'),
    event(0, 'one', 'taken', 'back'),
    event(0, 'one', 'taken', 'side'),
    event(0, 'two', 'taken', 'yard'),
    // Lines of several processes come in any order.
    event(450, 'three', 'reading', 'front'),
    event(300, 'two', 'reading', 'front'),
    event(350, 'two', 'reading', 'back'),
    event(50, 'two', 'reading', 'back'),
  ];
  const departures = [{ type: 'killed' as const, worker: 'one', atMillis: 100 }];
  expect(failOverGaps(events, departures)).toEqual({ millis: [200, 250], open: 1 });
  expect(handOverGaps(events, departures)).toEqual({ atTermination: NONE, whileSharing: NONE });
});

test('a hand-over counts from the letting go: at SIGTERM, or while both go on', () => {
  const events = [
    event(0, 'one', 'taken', 'front'),
    event(0, 'one', 'taken', 'back'),
    event(50, 'one', 'handedOver', 'front', 'two'),
    event(70, 'two', 'reading', 'front'),
    event(120, 'one', 'released', 'back'),
    event(125, 'one', 'reading', 'back'),
    event(150, 'two', 'reading', 'back'),
  ];
  const departures = [{ type: 'terminated' as const, worker: 'one', atMillis: 100 }];
  expect(handOverGaps(events, departures)).toEqual({
    atTermination: { millis: [30], open: 0 },
    whileSharing: { millis: [20], open: 0 },
  });
  expect(failOverGaps(events, departures)).toEqual(NONE);
});

test('a hand-over to a worker that dies before it reads is part of its fail-over', () => {
  const events = [
    event(0, 'one', 'taken', 'front'),
    event(0, 'one', 'taken', 'back'),
    event(90, 'one', 'handedOver', 'front', 'two'),
    event(130, 'one', 'handedOver', 'back', 'two'),
    event(330, 'one', 'reading', 'front'),
    event(340, 'three', 'reading', 'back'),
  ];
  const departures = [{ type: 'killed' as const, worker: 'two', atMillis: 100 }];
  expect(failOverGaps(events, departures)).toEqual({ millis: [230, 210], open: 0 });
  expect(handOverGaps(events, departures)).toEqual({ atTermination: NONE, whileSharing: NONE });
});

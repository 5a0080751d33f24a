import { setImmediate as nextTurn } from 'node:timers/promises';
import { type CloseReason, ConnectionWatchdog } from '../../src/stream/connection-watchdog.ts';
import { ManualClock } from '../support/manual-clock.ts';

let clock: ManualClock;
let owner: AbortController;
let closed: CloseReason[];
let timeoutMillis: number;
let connection: ConnectionWatchdog;

beforeEach(() => {
  clock = new ManualClock();
  owner = new AbortController();
  closed = [];
  timeoutMillis = 1000;
  connection = new ConnectionWatchdog({
    clock,
    timeoutMillis: () => timeoutMillis,
    signal: owner.signal,
    onClose: (reason) => closed.push(reason),
  });
});

afterEach(() => connection.stop());

/** Lets time pass, and those who wait for it have their turn. */
async function pass(millis: number): Promise<void> {
  clock.advance(millis);
  await nextTurn();
  await nextTurn();
}

/** Starts to wait; the frame has its place when the returned function is called. */
function wait() {
  let enter = () => {};
  const place = new Promise<void>((resolve) => {
    enter = resolve;
  });
  const waiting = connection.whileWaiting(() => place);
  return async () => {
    enter();
    await waiting;
  };
}

test('a connection is closed when nothing has come for the time-out', async () => {
  await pass(999);
  expect(connection.signal.aborted).toBe(false);
  await pass(1);
  expect(closed).toEqual(['SILENT']);
  expect(connection.signal.reason).toMatchObject({ code: 'SILENT', message: 'no bytes for 1000 ms' });
});

test('a time-out that is set anew counts from the next look on', async () => {
  timeoutMillis = 3000;
  await pass(1000);
  expect(closed).toEqual([]);
  await pass(1999);
  expect(closed).toEqual([]);
  await pass(1);
  expect(connection.signal.reason).toMatchObject({ code: 'SILENT', message: 'no bytes for 3000 ms' });
});

test('bytes put that off, for as long as fragments become complete', async () => {
  for (let second = 0; second < 10; second += 1) {
    await pass(900);
    connection.bytesReceived();
    connection.fragmentCompleted();
  }
  expect(closed).toEqual([]);
  await pass(1000);
  expect(closed).toEqual(['SILENT']);
});

test('bytes without a complete fragment are not enough for longer than twice the time-out', async () => {
  for (let passed = 0; passed < 1800; passed += 900) {
    await pass(900);
    connection.bytesReceived();
  }
  expect(closed).toEqual([]);
  await pass(200);
  expect(closed).toEqual(['NO_FRAGMENT']);
});

test('a connection whose frame waits for its place is closed after the time-out, which is no silence', async () => {
  await pass(900);
  const place = wait();
  await pass(999);
  expect(closed).toEqual([]);
  await pass(1);
  expect(closed).toEqual(['BLOCKED']);
  await place();
  expect(connection.closeReason).toBe('BLOCKED');
});

test('the time in which a frame waits counts neither as silence nor as lack of a fragment', async () => {
  for (let round = 0; round < 10; round += 1) {
    const place = wait();
    await pass(990);
    await place();
  }
  await pass(999);
  expect(closed).toEqual([]);
  await pass(1);
  expect(closed).toEqual(['SILENT']);
});

test('bytes that came while the process was paused count', async () => {
  clock.advance(5000);
  setImmediate(() => connection.bytesReceived());
  setImmediate(() => connection.fragmentCompleted());
  await pass(0);
  expect(closed).toEqual([]);
});

test('what fails while it is waited for is thrown on', async () => {
  const refused = new Error('refused');
  await expect(connection.whileWaiting(() => Promise.reject(refused))).rejects.toBe(refused);
  await pass(1000);
  expect(closed).toEqual(['SILENT']);
});

test('the reader’s own signal ends the connection, and is no fault of it', () => {
  owner.abort();
  expect(connection.signal.aborted).toBe(true);
  expect(connection.closeReason).toBeNull();
});

test('a connection that is over is no longer watched', async () => {
  connection.stop();
  await pass(10_000);
  owner.abort();
  expect(closed).toEqual([]);
  expect(connection.signal.aborted).toBe(false);
});

import { PassThrough } from 'node:stream';
import { UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { type Change, consequences, parsePosition } from '../../../src/cli/leases/change.ts';
import { type ChangeLeaseOptions, changeLease } from '../../../src/cli/leases/perform.ts';
import { isConfirmed } from '../../../src/cli/leases/question.ts';
import { similarNames } from '../../../src/cli/leases/similar.ts';
import { leasesView } from '../../../src/cli/leases/view.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { type LeaseItem, newLeaseItem } from '../../../src/lease/lease.ts';
import { TableClient } from '../../../src/lease/table-client.ts';
import { startLeaseTable } from '../../support/lease-table.ts';
import { HastyClock } from '../../support/services.ts';

const { signal } = new AbortController();
const NOW = Date.UTC(2026, 9, 5, 10);
const HOUR = 60 * 60_000;
const RELEASE: Change = { type: 'RELEASE' };
const EARLIEST = { type: 'EARLIEST' } as const;
const reset = (to: string): Change => ({ type: 'RESET', to: parsePosition(to, NOW) });

function terminal() {
  return {
    input: Object.assign(new PassThrough(), { isTTY: true }),
    output: Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true }),
  };
}

test.each([
  ['NOW', { type: 'NOW' }],
  ['EARLIEST', { type: 'EARLIEST' }],
  ['2026-10-05T10:00:00Z', { type: 'SERVER_TIMESTAMP', millis: NOW }],
  ['2026-10-05T11:30:00.250+02:00', { type: 'SERVER_TIMESTAMP', millis: NOW - HOUR / 2 + 250 }],
  ['2026-10-05T09:00Z', { type: 'SERVER_TIMESTAMP', millis: NOW - HOUR }],
])('--to %s', (text, position) => {
  expect(parsePosition(text, NOW)).toEqual(position);
});

test.each([
  ['2026-10-05T09:00:00', 'has no offset: write 2026-10-05T09:00:00Z for UTC'],
  ['2026-10-05T10:00:00.001Z', 'in the future: it is 2026-10-05T10:00:00.000Z'],
  ['2026-02-30T00:00:00Z', 'expected NOW, EARLIEST, or a time'],
  ['1969-12-31T23:59:59Z', 'since 1970'],
  ['2026-10-05', 'expected NOW'],
  ['now', 'expected NOW'],
])('--to %s is refused', (text, message) => {
  expect(() => parsePosition(text, NOW)).toThrow(message);
});

describe('what follows', () => {
  const at = (millis: number): LeaseItem => ({
    checkpoint: { S: '77' },
    checkpointTimestampMillis: { N: String(millis) },
  });
  const text = (change: Change, attributes: LeaseItem) => {
    const items = [{ ...newLeaseItem('front', null, EARLIEST), ...attributes }];
    const view = leasesView({ tableName: 'leases', items, nowMillis: NOW, failoverTimeMillis: 10_000 });
    const [lease] = view.leases;
    if (lease === undefined) throw new Error(view.invalid[0]?.problem);
    return consequences(change, lease, NOW);
  };

  test.each<[string, Change, LeaseItem, RegExp]>([
    ['a release', RELEASE, at(0), /goes on after fragment 77\.\n.* published again/],
    ['a release before the first checkpoint', RELEASE, {}, /goes on at its earliest fragment/],
    ['a dead owner', RELEASE, { leaseOwner: { S: '1234567890' } }, /worker 12345678 \(which is no worker/],
    ['a later time', reset('2026-10-05T09:00:00Z'), at(NOW - 4 * HOUR), /T06:00.* \(3 h\) .* is skipped/],
    ['an earlier time', reset('2026-10-05T06:00:00Z'), at(NOW), /until 2026-10-05T10.* \(4 h\),.* again/],
    ['now', reset('NOW'), at(NOW - 60_000), /\(60 s\) and is not published yet is skipped/],
    ['now before the first checkpoint', reset('NOW'), {}, /until 2026-10-05T10.* is skipped/],
    ['the earliest', reset('EARLIEST'), at(NOW - HOUR), /until 2026-10-05T09.* published again/],
    [
      'a dropped checkpoint',
      reset('EARLIEST'),
      at(NOW - HOUR),
      /checkpoint is dropped \(fragment 77 of 2026/,
    ],
    [
      'a retired lease',
      reset('NOW'),
      { leaseOwner: { S: '$retired' }, retiredAtMillis: { N: '1' } },
      /stays so.*\nIf the stream comes back/,
    ],
  ])('of %s', (_name, change, attributes, expected) => {
    expect(text(change, attributes)).toMatch(expected);
  });
});

test.each([
  ['y\n', true],
  [' YES\n', true],
  ['n\n', false],
  ['yesterday\n', false],
  ['\n', false],
  ['', false],
])('the answer %j: %p', async (answer, confirmed) => {
  const { input, output } = terminal();
  input.end(answer);
  expect(await isConfirmed('Go on?', { input, output }, signal)).toBe(confirmed);
  expect(output.read()).toBe('Go on? [y/N] ');
});

test('no answer, but a signal, is no', async () => {
  const interrupt = new AbortController();
  const confirmed = isConfirmed('Go on?', terminal(), interrupt.signal);
  interrupt.abort();
  expect(await confirmed).toBe(false);
});

test('names that may have been meant, the likeliest first', () => {
  const names = ['front-door', 'back-door', 'front-door-2', 'garage', 'Front-Dor'];
  expect(similarNames('front-dor', names)).toEqual(['Front-Dor', 'front-door', 'front-door-2']);
  expect(similarNames('door', names)).toEqual(['front-door', 'back-door', 'front-door-2']);
  expect(similarNames('kitchen', names)).toEqual([]);
});

describe('a lease that changes meanwhile', () => {
  let local: Awaited<ReturnType<typeof startLeaseTable>>;
  let printed: string[];

  beforeEach(async () => {
    local = await startLeaseTable();
    printed = [];
  });

  afterEach(() => local.close());

  async function change(options: Partial<ChangeLeaseOptions> = {}) {
    const { client } = local;
    return await changeLease({
      client,
      tableName: 'leases',
      read: async () => {
        const items = await client.scan(signal);
        return leasesView({ tableName: 'leases', items, nowMillis: NOW, failoverTimeMillis: 10_000 });
      },
      streamName: 'front',
      change: RELEASE,
      yes: true,
      terminal: terminal(),
      print: (line) => void printed.push(line),
      clock: new HastyClock(),
      signal,
      ...options,
    });
  }

  /** A client with something happening before each of its updates. */
  function disturbed(disturb: () => Promise<unknown>): TableClient {
    const send = async (command: UpdateItemCommand, options: object) => {
      if (command instanceof UpdateItemCommand) await disturb();
      return await local.dynamoDb.send(command, options);
    };
    return new TableClient({
      dynamoDb: { send } as Pick<typeof local.dynamoDb, 'send'>,
      tableName: 'leases',
      requestTimeoutMillis: 5000,
      clock: systemClock,
    });
  }

  test('is read again: whoever owns it then loses it', async () => {
    await local.taken('one');
    let takes = 0;
    const client = disturbed(async () => {
      takes += 1;
      if (takes < 3) await local.leases.take(await local.lease(), `thief-${takes}`, signal);
    });
    expect(await change({ client })).toBe(0);
    expect(takes).toBe(3);
    expect(await local.lease()).toMatchObject({ leaseOwner: null, leaseEpoch: 4 });
    expect(printed).toEqual(['front is free']);
  });

  test('again and again is given up', async () => {
    await local.taken('one');
    const client = disturbed(async () => local.leases.take(await local.lease(), 'thief', signal));
    await expect(change({ client, change: reset('NOW') })).rejects.toMatchObject({ code: 'LEASE_CHANGED' });
    expect(await local.lease()).toMatchObject({ leaseOwner: 'thief', start: EARLIEST });
  });

  test('is not revived when it has been retired, nor made when it has been deleted', async () => {
    await local.taken('one');
    const retire = async () => local.leases.free(await local.lease(), { retiredAtMillis: 1 }, signal);
    await expect(change({ client: disturbed(retire) })).rejects.toThrow('it has been retired');
    const remove = async () => local.leases.delete(await local.lease(), signal);
    const client = disturbed(remove);
    await expect(change({ client, change: reset('NOW') })).rejects.toThrow('it has been deleted');
    expect(await local.leases.scan(signal)).toEqual([]);
  });

  test('a retired lease is reset and stays retired, and is not released; a free one is free already', async () => {
    await local.taken('one');
    expect(await change()).toBe(0);
    expect(await change()).toBe(0);
    expect(printed).toEqual(['front is free', 'front is free already']);
    await local.leases.free(await local.lease(), { retiredAtMillis: 1 }, signal);
    expect(await change({ change: reset('NOW') })).toBe(0);
    expect(await local.lease()).toMatchObject({
      retiredAtMillis: 1,
      start: { type: 'SERVER_TIMESTAMP', millis: 1_700_000_000_000 },
    });
    await expect(change()).rejects.toThrow('front is retired');
  });

  test('a person who says no has changed nothing', async () => {
    const lease = await local.taken('one');
    const { input, output } = terminal();
    input.end('no\n');
    expect(await change({ yes: false, terminal: { input, output } })).toBe(1);
    expect(output.read()).toMatch(/^Release front: .*\nGo on\? \[y\/N\] nothing changed\n$/s);
    expect(await local.lease()).toEqual(lease);
  });
});

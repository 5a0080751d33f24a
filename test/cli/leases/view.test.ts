import picocolors from 'picocolors';
import { leasesJson } from '../../../src/cli/leases/json.ts';
import { leasesText } from '../../../src/cli/leases/report.ts';
import { durationText, shortFragmentNumber } from '../../../src/cli/leases/text.ts';
import { leasesView } from '../../../src/cli/leases/view.ts';
import { RETIRED, SYNC_LEASE_KEY } from '../../../src/lease/keys.ts';
import { type LeaseItem, newLeaseItem } from '../../../src/lease/lease.ts';
import { type LeaseRequest, workerItem } from '../../../src/lease/worker-item.ts';

const NOW = Date.UTC(2026, 9, 5, 10);
const ONE = '11111111-1111-4111-8111-111111111111';
const TWO = '22222222-2222-4222-8222-222222222222';
const FRAGMENT = '91343852333181432392682062607743920146159169392';
const plain = picocolors.createColors(false);

function lease(leaseKey: string, attributes: LeaseItem = {}): LeaseItem {
  return { ...newLeaseItem(leaseKey, null, { type: 'EARLIEST' }), ...attributes };
}

function owned(leaseKey: string, owner: string, lagMillis: number): LeaseItem {
  return lease(leaseKey, {
    leaseOwner: { S: owner },
    checkpoint: { S: FRAGMENT },
    checkpointTimestampMillis: { N: String(NOW - lagMillis) },
  });
}

function worker(workerId: string, ageMillis: number, requests: Record<string, LeaseRequest> = {}): LeaseItem {
  const state = { workerId, heartbeat: 1, leaseCount: 9, isLeaving: false };
  return workerItem({ ...state, requests: new Map(Object.entries(requests)) }, NOW - ageMillis);
}

function view(...items: LeaseItem[]) {
  return leasesView({ tableName: 'leases', items, nowMillis: NOW, failoverTimeMillis: 10_000 });
}

test('the leases by stream, with what their owners’ items say', () => {
  const { leases, workers, synchronization, applicationName } = view(
    owned('side', TWO, 60_000),
    worker(TWO, 11_000),
    lease('front', { leaseOwner: { S: RETIRED }, retiredAtMillis: { N: '5' } }),
    worker(ONE, 3000),
    owned('back', ONE, 2000),
    owned('attic', 'nobody', 0),
    lease(SYNC_LEASE_KEY, { leaseOwner: { S: ONE }, applicationName: { S: 'shop' } }),
  );
  expect(leases).toMatchObject([
    { lease: { leaseKey: 'attic' }, state: 'OWNED', owner: null, isOwnerSilent: true, lagMillis: 0 },
    { lease: { leaseKey: 'back' }, owner: { silentMillis: 3000 }, isOwnerSilent: false, lagMillis: 2000 },
    { lease: { leaseKey: 'front' }, state: 'RETIRED', isOwnerSilent: false, lagMillis: null },
    { lease: { leaseKey: 'side' }, owner: { silentMillis: 11_000 }, isOwnerSilent: true },
  ]);
  expect(workers).toMatchObject([{ worker: { workerId: ONE }, ownedLeases: 1 }, { isSilent: true }]);
  expect(synchronization).toMatchObject({ lease: { leaseOwner: ONE }, owner: { silentMillis: 3000 } });
  expect(applicationName).toBe('shop');
});

test('a request is shown where the worker that it names is still the owner', () => {
  const requests = {
    back: { owner: ONE, kind: 'HAND_OVER' },
    front: { owner: 'former', kind: 'HAND_OVER' },
    side: { owner: ONE, kind: 'RETIRE' },
  } as const;
  const leases = ['back', 'front', 'side'].map((key) => owned(key, ONE, 0));
  const handOvers = view(...leases, worker(TWO, 0, requests)).leases.map(({ handOver }) => handOver);
  expect(handOvers).toEqual([{ askedBy: TWO, kind: 'HAND_OVER' }, null, { askedBy: TWO, kind: 'RETIRE' }]);
});

test('an item that cannot be read is named, and the others are shown', () => {
  const broken = { ...worker(TWO, 0), heartbeat: { S: 'x' } };
  const { leases, invalid } = view({ leaseKey: { S: 'bad' } }, lease('good'), broken);
  expect(leases).toMatchObject([{ lease: { leaseKey: 'good' } }]);
  expect(invalid).toEqual([
    { leaseKey: 'bad', problem: expect.stringMatching(/"bad".*leaseOwner/) },
    { leaseKey: `$worker/${TWO}`, problem: expect.stringMatching(/heartbeat/) },
  ]);
});

test('for a person: aligned, short, with what needs a look', () => {
  const request = { side: { owner: ONE, kind: 'RETIRE' } } as const;
  const text = leasesText(
    view(
      owned('side', ONE, 5 * 60 * 60_000),
      owned('back', TWO, 4000),
      lease('front', { checkpoint: { S: 'AT_TIMESTAMP' }, startTimestampMillis: { N: String(NOW) } }),
      worker(ONE, 1000, request),
      worker(TWO, 180_000),
      lease(SYNC_LEASE_KEY, { leaseOwner: { S: TWO } }),
    ),
    plain,
  );
  expect(text.split('\n')).toEqual([
    'leases, 2026-10-05T10:00:00.000Z',
    '',
    '  stream  owner           last renewal  checkpoint                       lag  hand-over',
    '  back    22222222 dead?     3 min ago  913438…169392                    4 s  –',
    '  front   free                       –  start: 2026-10-05T10:00:00.000Z    –  –',
    '  side    11111111             1 s ago  913438…169392                    5 h  to be retired',
    '',
    '  worker    last sign of life  leases',
    '  11111111            1 s ago       1',
    '  22222222          3 min ago       1  dead?',
    '',
    '  3 streams: 2 owned, 1 free, 0 retired; 2 workers',
    '  synchronization: 22222222 dead?',
  ]);
});

test('a terminal that is too small gets the first leases, and how many are left out', () => {
  const leases = Array.from({ length: 100 }, (_, index) => lease(`stream-${100 + index}`));
  const lines = leasesText(view(...leases), plain, 24).split('\n');
  expect(lines).toHaveLength(24);
  expect(lines[3]).toContain('stream-100');
  expect(lines).toContain('  … 85 more');
});

test('for a program: full values, times in both forms', () => {
  const json = JSON.parse(leasesJson(view(owned('back', ONE, 2000), worker(ONE, 3000)))) as object;
  const at = (millis: number) => new Date(millis).toISOString();
  expect(json).toMatchObject({
    table: 'leases',
    readTimestamp: at(NOW),
    leases: [
      {
        streamName: 'back',
        leaseOwner: ONE,
        renewalTimestamp: at(NOW - 3000),
        renewalTimestampMillis: NOW - 3000,
        renewalAgeMillis: 3000,
        checkpoint: {
          fragmentNumber: FRAGMENT,
          serverTimestamp: at(NOW - 2000),
          serverTimestampMillis: NOW - 2000,
        },
        lagMillis: 2000,
        handOver: null,
      },
    ],
    workers: [{ workerId: ONE, heartbeatTimestampMillis: NOW - 3000, leaseCount: 9, ownedLeases: 1 }],
    synchronization: null,
    invalid: [],
  });
});

test('a number that is no time is shown as it is', () => {
  const strange = { ...worker(ONE, 0), heartbeatTimestampMillis: { N: '1E+40' } };
  const { workers } = JSON.parse(leasesJson(view(strange))) as { workers: object[] };
  expect(workers).toMatchObject([{ heartbeatTimestamp: '1e+40' }]);
});

test.each([
  [-5, '0 s'],
  [3400, '3 s'],
  [119_000, '119 s'],
  [120_000, '2 min'],
  [5.9 * 3_600_000, '5 h'],
  [72 * 3_600_000, '3 d'],
])('%d ms is %s', (millis, text) => {
  expect(durationText(millis)).toBe(text);
});

test('a fragment number is shortened in the middle, a short one not at all', () => {
  expect(shortFragmentNumber(FRAGMENT)).toBe('913438…169392');
  expect(shortFragmentNumber('1234567890123')).toBe('1234567890123');
});

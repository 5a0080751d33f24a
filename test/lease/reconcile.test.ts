import type { Lease } from '../../src/lease/lease.ts';
import { type Reconciliation, reconcile } from '../../src/lease/reconcile.ts';

const arn = (created: number) => `arn:aws:kinesisvideo:us-east-1:123456789012:stream/front/${created}`;
const HOUR = 60 * 60_000;

const lease = (fields: Partial<Lease> = {}): Lease => ({
  leaseKey: 'front',
  streamArn: arn(1),
  leaseOwner: 'one',
  leaseCounter: 1,
  leaseEpoch: 1,
  ownerSwitchesSinceCheckpoint: 0,
  start: { type: 'EARLIEST' },
  checkpoint: null,
  sampling: [],
  retiredAtMillis: null,
  ...fields,
});

const front = (streamArn: string | null = arn(1)) => ({ streamName: 'front', streamArn });

const stepsOf = (fields: Partial<Reconciliation>) =>
  reconcile({
    streams: [],
    isComplete: true,
    leases: [],
    isWorker: () => true,
    nowMillis: 100 * HOUR,
    ...fields,
  }).map(({ type }) => type);

test('a stream without a lease gets one; one that has it needs nothing', () => {
  expect(stepsOf({ streams: [front()] })).toEqual(['CREATE']);
  expect(stepsOf({ streams: [front()], leases: [lease()] })).toEqual([]);
});

test('a stream that is not listed is retired, but not while not everything could be asked', () => {
  expect(stepsOf({ leases: [lease()] })).toEqual(['RETIRE']);
  expect(stepsOf({ leases: [lease()], isComplete: false })).toEqual([]);
});

test('a retired lease is kept for a day, and goes on where it was when the stream is back', () => {
  const retired = lease({ leaseOwner: null, retiredAtMillis: 90 * HOUR });
  expect(stepsOf({ leases: [retired] })).toEqual([]);
  expect(stepsOf({ leases: [retired], nowMillis: 113 * HOUR })).toEqual([]);
  expect(stepsOf({ leases: [retired], nowMillis: 114 * HOUR })).toEqual(['FORGET']);
  expect(stepsOf({ leases: [retired], streams: [front()] })).toEqual(['REVIVE']);
  expect(stepsOf({ leases: [retired], streams: [front(null)] })).toEqual(['REVIVE']);
});

test('a stream that was created again under its name starts anew, once its owner has let go', () => {
  const streams = [front(arn(2))];
  expect(stepsOf({ streams, leases: [lease()] })).toEqual(['RETIRE']);
  expect(stepsOf({ streams, leases: [lease({ leaseOwner: null })] })).toEqual(['RESTART']);
  const retired = lease({ leaseOwner: null, retiredAtMillis: 90 * HOUR });
  expect(stepsOf({ streams, leases: [retired] })).toEqual(['RESTART']);
});

test('a lease without an ARN gets it, and keeps it where it cannot be asked for', () => {
  expect(stepsOf({ streams: [front()], leases: [lease({ streamArn: null })] })).toEqual(['NAME']);
  expect(stepsOf({ streams: [front(null)], leases: [lease()] })).toEqual([]);
});

test('a lease whose owner is no worker is freed', () => {
  expect(stepsOf({ streams: [front()], leases: [lease()], isWorker: () => false })).toEqual(['FREE']);
  const free = lease({ leaseOwner: null });
  expect(stepsOf({ streams: [front()], leases: [free], isWorker: () => false })).toEqual([]);
});

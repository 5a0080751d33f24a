import { isoTime } from './text.ts';
import type { LeasesView, LeaseView, WorkerView } from './view.ts';

/** One JSON object on one line, with full values; times in ISO 8601 and in milliseconds since the Unix epoch. */
export function leasesJson(view: LeasesView): string {
  const { tableName, applicationName, nowMillis, leases, workers, synchronization, invalid } = view;
  return JSON.stringify({
    table: tableName,
    applicationName,
    ...time('read', nowMillis),
    leases: leases.map(leaseJson),
    workers: workers.map(workerJson),
    synchronization: synchronization === null ? null : ownershipJson(synchronization),
    invalid,
  });
}

function leaseJson(view: LeaseView): object {
  const { lease, lagMillis, handOver } = view;
  const { leaseKey, streamArn, checkpoint, start, ownerSwitchesSinceCheckpoint, retiredAtMillis } = lease;
  return {
    streamName: leaseKey,
    streamArn,
    ...ownershipJson(view),
    ownerSwitchesSinceCheckpoint,
    start: start.type === 'EARLIEST' ? start : { type: start.type, ...time('', start.millis) },
    checkpoint:
      checkpoint === null
        ? null
        : {
            fragmentNumber: checkpoint.fragmentNumber,
            ...time('server', checkpoint.serverTimestampMillis),
            iFrameCounter: checkpoint.iFrameCounter,
          },
    lagMillis,
    handOver,
    ...time('retired', retiredAtMillis),
  };
}

function ownershipJson({ lease, state, owner, isOwnerSilent }: LeaseView): object {
  const { leaseOwner, leaseEpoch, leaseCounter } = lease;
  return {
    state,
    leaseOwner,
    isOwnerSilent,
    ...time('renewal', owner?.heartbeatTimestampMillis ?? null),
    renewalAgeMillis: owner?.silentMillis ?? null,
    leaseEpoch,
    leaseCounter,
  };
}

function workerJson(view: WorkerView): object {
  const { workerId, heartbeat, leaseCount, isLeaving, requests } = view.worker;
  return {
    workerId,
    heartbeat,
    ...time('heartbeat', view.heartbeatTimestampMillis),
    heartbeatAgeMillis: view.silentMillis,
    isSilent: view.isSilent,
    isLeaving,
    ownedLeases: view.ownedLeases,
    leaseCount,
    requests: [...requests].map(([streamName, request]) => ({ streamName, ...request })),
  };
}

/** `time('server', 0)` = `{serverTimestamp: '1970-01-01T00:00:00.000Z', serverTimestampMillis: 0}` */
function time(name: string, millis: number | null): object {
  const timestamp = name === '' ? 'timestamp' : `${name}Timestamp`;
  return {
    [timestamp]: millis === null ? null : isoTime(millis),
    [`${timestamp}Millis`]: millis,
  };
}

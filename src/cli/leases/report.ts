import type { LeaseRequest } from '../../lease/worker-item.ts';
import { type Colors, tableLines } from '../text-table.ts';
import { durationText, isoTime, lastSignOfLife, shortFragmentNumber, shortWorkerId } from './text.ts';
import type { LeasesView, LeaseView, WorkerView } from './view.ts';

/** However small the terminal. */
const MIN_ROWS = 3;

/**
 * The lease table for a person: aligned tables.
 *
 * @param maxLines leaves leases out where it would be longer, and says how many
 */
export function leasesText(view: LeasesView, colors: Colors, maxLines = Number.POSITIVE_INFINITY): string {
  const { tableName, applicationName, nowMillis } = view;
  const application = applicationName === null ? '' : ` of ${applicationName}`;
  const title = [`${colors.bold(tableName)}${application}, ${isoTime(nowMillis)}`, ''];
  const rest = [...workerLines(view.workers, colors), ...summary(view), ...invalidLines(view, colors)];
  const room = Math.max(MIN_ROWS, maxLines - title.length - rest.length - LINES_AROUND_LEASES);
  return [...title, ...leaseLines(view.leases, room, colors), ...rest].join('\n');
}

/** The head, the line that says how many are left out, and the empty line after them. */
const LINES_AROUND_LEASES = 3;

function leaseLines(leases: readonly LeaseView[], room: number, colors: Colors): string[] {
  if (leases.length === 0) return ['  no leases: no stream has been found yet', ''];
  const head = ['stream', 'owner', 'last renewal', 'checkpoint', 'lag', 'hand-over'];
  const rows = leases.slice(0, room).map((view) => leaseRow(view, colors));
  const hidden = leases.length - rows.length;
  return [
    ...tableLines(head, rows, [2, 4], colors),
    ...(hidden > 0 ? [colors.dim(`  … ${hidden} more`)] : []),
    '',
  ];
}

function leaseRow(view: LeaseView, colors: Colors): string[] {
  const { lease, lagMillis, owner } = view;
  return [
    lease.leaseKey,
    ownerText(view, colors),
    lastSignOfLife(owner),
    checkpointText(view),
    lagMillis === null ? '–' : durationText(lagMillis),
    handOverText(view, colors),
  ];
}

function ownerText(view: LeaseView, { red, yellow, dim }: Colors): string {
  switch (view.state) {
    case 'FREE':
      return yellow('free');
    case 'RETIRED':
      return dim('retired');
    case 'OWNED': {
      const owner = shortWorkerId(view.lease.leaseOwner ?? '');
      return view.isOwnerSilent ? red(`${owner} dead?`) : owner;
    }
  }
}

function checkpointText({ lease: { checkpoint, start } }: LeaseView): string {
  if (checkpoint !== null) return shortFragmentNumber(checkpoint.fragmentNumber);
  return `start: ${start.type === 'EARLIEST' ? 'EARLIEST' : isoTime(start.millis)}`;
}

function handOverText({ handOver }: LeaseView, { yellow }: Colors): string {
  if (handOver === null) return '–';
  const texts: Record<LeaseRequest['kind'], string> = {
    HAND_OVER: `asked for by ${shortWorkerId(handOver.askedBy)}`,
    RETIRE: 'to be retired',
  };
  return yellow(texts[handOver.kind]);
}

function workerLines(workers: readonly WorkerView[], colors: Colors): string[] {
  if (workers.length === 0) return ['  no workers', ''];
  const rows = workers.map((view) => [
    shortWorkerId(view.worker.workerId),
    lastSignOfLife(view),
    view.ownedLeases,
    [...(view.worker.isLeaving ? ['leaving'] : []), ...(view.isSilent ? [colors.red('dead?')] : [])].join(
      ' ',
    ),
  ]);
  return [...tableLines(['worker', 'last sign of life', 'leases', ''], rows, [1, 2], colors), ''];
}

function summary({ leases, workers, synchronization }: LeasesView): string[] {
  const number = (state: LeaseView['state']) => leases.filter((view) => view.state === state).length;
  const streams = `${counted(leases.length, 'stream')}: ${number('OWNED')} owned, ${number('FREE')} free, ${number('RETIRED')} retired`;
  return [
    `  ${streams}; ${counted(workers.length, 'worker')}`,
    `  synchronization: ${synchronizationText(synchronization)}`,
  ];
}

function synchronizationText(view: LeaseView | null): string {
  if (view === null) return 'never yet';
  const { leaseOwner } = view.lease;
  if (leaseOwner === null) return 'free';
  return `${shortWorkerId(leaseOwner)}${view.isOwnerSilent ? ' dead?' : ''}`;
}

function invalidLines({ invalid }: LeasesView, { red }: Colors): string[] {
  return invalid.map(({ problem }) => red(`  ${problem}`));
}

function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

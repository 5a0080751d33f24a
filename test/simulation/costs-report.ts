import Table from 'cli-table3';
import { type CostsReport, FAILOVER_MILLIS, PURPOSES, type Spending } from './costs.ts';

/**
 * Dollars for a million request units, on demand, table class Standard, us-east-1, since November 2024
 * (https://aws.amazon.com/dynamodb/pricing/on-demand/).
 */
const PRICES = { writeRequestUnits: 0.625, readRequestUnits: 0.125 };
const MINUTES_A_MONTH = 730 * 60;

/** Of the Kinesis Client Library: a lease is renewed so often in a fail-over time, */
const KCL_RENEWALS = 3;
/** and each worker scans the table once in so many. */
const KCL_SCAN_FAILOVERS = 2;
const READ_UNIT_BYTES = 4096;
const PAGE_BYTES = 1024 * 1024;

export interface CostsFigures {
  leases: number;
  workers: number;
  /** Per lease and minute. */
  perLease: Spending;
  perLeaseByPurpose: Record<string, Spending>;
  dollarsAMonth: number;
  dollarsAMonthPerLease: number;
  /** Of it what is left while no stream moves: all but the checkpoints. */
  idleDollarsAMonth: number;
  kcl: { perLease: Spending; dollarsAMonth: number; dollarsAMonthPerLease: number };
  /** How many times as much KCL's way costs. */
  ratio: number;
  leaseItemBytes: number;
  firstSyncMillis: number;
  syncMillis: number;
}

export function figuresOf(report: CostsReport): CostsFigures {
  const { leases, minutes, workers, leaseItemBytes, firstSyncMillis, syncMillis } = report;
  const perLease = scaled(report.total, 1 / leases / minutes);
  const kcl = kclSpending(report);
  const checkpoints = scaled(report.byPurpose.checkpoints, 1 / leases / minutes);
  return {
    leases,
    workers,
    perLease,
    perLeaseByPurpose: Object.fromEntries(
      PURPOSES.map((purpose) => [purpose, scaled(report.byPurpose[purpose], 1 / leases / minutes)]),
    ),
    dollarsAMonth: dollarsAMonth(perLease) * leases,
    dollarsAMonthPerLease: dollarsAMonth(perLease),
    idleDollarsAMonth: (dollarsAMonth(perLease) - dollarsAMonth(checkpoints)) * leases,
    kcl: {
      perLease: kcl,
      dollarsAMonth: dollarsAMonth(kcl) * leases,
      dollarsAMonthPerLease: dollarsAMonth(kcl),
    },
    ratio: dollarsAMonth(kcl) / dollarsAMonth(perLease),
    leaseItemBytes: Math.round(leaseItemBytes),
    firstSyncMillis,
    syncMillis,
  };
}

/**
 * What KCL 1 and 2 spend per lease and minute: each lease is renewed by a write, which here brings its checkpoint
 * along, and each worker reads the whole table, eventually consistent. Synchronization is left out.
 */
function kclSpending({ leases, workers, leaseItemBytes }: CostsReport): Spending {
  const failoversAMinute = 60_000 / FAILOVER_MILLIS;
  const bytes = leases * leaseItemBytes;
  const scans = (workers * failoversAMinute) / KCL_SCAN_FAILOVERS;
  const renewals = KCL_RENEWALS * failoversAMinute;
  return {
    requests: renewals + (scans * Math.ceil(bytes / PAGE_BYTES)) / leases,
    writeRequestUnits: renewals * Math.ceil(leaseItemBytes / 1024),
    readRequestUnits: (scans * Math.ceil(bytes / READ_UNIT_BYTES) * 0.5) / leases,
  };
}

/** For a person, at a width of 120 characters. */
export function costsText(all: readonly CostsFigures[]): string {
  const totals = new Table({
    head: [
      'leases',
      'workers',
      'requests',
      'writes',
      'reads',
      '$ a lease',
      '$ in all',
      '$ idle',
      '$ KCL',
      'ratio',
      'first sync',
      'sync',
    ],
    colAligns: Array.from({ length: 12 }, () => 'right' as const),
    style: { head: [], border: [], compact: true },
  });
  for (const figures of all) {
    const { leases, workers, perLease, kcl } = figures;
    totals.push([
      leases,
      workers,
      perLease.requests.toFixed(2),
      perLease.writeRequestUnits.toFixed(2),
      perLease.readRequestUnits.toFixed(2),
      figures.dollarsAMonthPerLease.toFixed(3),
      figures.dollarsAMonth.toFixed(2),
      figures.idleDollarsAMonth.toFixed(2),
      kcl.dollarsAMonth.toFixed(2),
      figures.ratio.toFixed(2),
      seconds(figures.firstSyncMillis),
      seconds(figures.syncMillis),
    ]);
  }
  const split = new Table({
    head: ['leases', 'workers', ...PURPOSES],
    colAligns: Array.from({ length: PURPOSES.length + 2 }, () => 'right' as const),
    style: { head: [], border: [], compact: true },
  });
  for (const { leases, workers, perLeaseByPurpose } of all) {
    const cells = Object.values(perLeaseByPurpose).map(({ requests, writeRequestUnits, readRequestUnits }) =>
      [requests, writeRequestUnits, readRequestUnits].map((number) => number.toFixed(2)).join(' '),
    );
    split.push([leases, workers, ...cells]);
  }
  return [
    'Quiet fleets, default times. Requests, write and read request units: per lease and minute. Dollars: a month;',
    'idle: what is left while no stream moves.',
    totals.toString(),
    'What it is spent on, per lease and minute: requests, write request units, read request units:',
    split.toString(),
    `us-east-1 on demand: $${PRICES.writeRequestUnits} for a million write request units, $${PRICES.readRequestUnits} for a million read request units.`,
    `KCL's way: a lease is renewed every ${seconds(FAILOVER_MILLIS / KCL_RENEWALS)}, idle or not, each worker scans the table every ${seconds(FAILOVER_MILLIS * KCL_SCAN_FAILOVERS)}; computed, not run.`,
    'A request takes 5 ms here; a page of 1 MB takes longer in truth.',
  ].join('\n');
}

function seconds(millis: number): string {
  return `${(millis / 1000).toFixed(2)} s`;
}

function dollarsAMonth({ readRequestUnits, writeRequestUnits }: Spending): number {
  const dollarsAMinute =
    readRequestUnits * PRICES.readRequestUnits + writeRequestUnits * PRICES.writeRequestUnits;
  return (dollarsAMinute / 1e6) * MINUTES_A_MONTH;
}

function scaled(spending: Spending, factor: number): Spending {
  return {
    requests: spending.requests * factor,
    readRequestUnits: spending.readRequestUnits * factor,
    writeRequestUnits: spending.writeRequestUnits * factor,
  };
}

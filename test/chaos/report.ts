import type { Fault } from './actions.ts';
import type { Gaps } from './observation.ts';
import type { RoundFigures } from './round.ts';

const SHOWN_IDS = 5;

/** Whether everything is as it must be. Nothing that is missing of nothing is no success. */
export function isGood({ comparison, failures }: Pick<RoundFigures, 'comparison' | 'failures'>): boolean {
  const { due, missing, extra } = comparison;
  return due > 0 && missing.length === 0 && extra.length === 0 && failures.length === 0;
}

/** One figure a line. */
export function reportLines(figures: RoundFigures): string[] {
  const { comparison, failOver, handOver, failures } = figures;
  const { due, published, repeated, worst } = comparison;
  const rows: Array<[string, string]> = [
    ['SIGKILL, SIGTERM, SIGSTOP', `${figures.kills}, ${figures.terminations}, ${figures.pauses}`],
    ['connections cut, silent', `${figures.cuts}, ${figures.silences}`],
    ['faults of DynamoDB', faultsText(figures.faults.DynamoDB)],
    ['faults of Kinesis', faultsText(figures.faults.Kinesis)],
    ['leases taken, handed over', `${figures.taken}, ${figures.handedOver}`],
    ['fail-over after SIGKILL', gapsText(failOver)],
    ['hand-over gap at SIGTERM', gapsText(handOver.atTermination)],
    ['hand-over gap when sharing', gapsText(handOver.whileSharing)],
    ['results due, published', `${due}, ${published}`],
    ['repeated', worst === null ? '0' : `${repeated}, at most ${worst.times} times (${worst.id})`],
    ['gaps reported', String(figures.gaps)],
    ['missing', idsText(comparison.missing)],
    ['extra', idsText(comparison.extra)],
    ...failures.map((failure): [string, string] => ['failure', failure]),
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`);
}

function faultsText(struck: ReadonlyMap<Fault, number>): string {
  const total = [...struck.values()].reduce((sum, count) => sum + count, 0);
  const kinds = [...struck].map(([fault, count]) => `${fault} ${count}`);
  return kinds.length === 0 ? '0' : `${total} (${kinds.join(', ')})`;
}

/** `median 2.40 s, worst 4.10 s (17 streams)` */
export function gapsText({ millis, open }: Gaps): string {
  const sorted = millis.toSorted((a, b) => a - b);
  const worst = sorted.at(-1);
  const median = sorted[Math.floor(sorted.length / 2)];
  const notRead = open === 0 ? '' : `, ${open} not read again`;
  if (worst === undefined || median === undefined) return `none${notRead}`;
  return `median ${seconds(median)}, worst ${seconds(worst)} (${sorted.length} streams${notRead})`;
}

function idsText(ids: readonly string[]): string {
  if (ids.length === 0) return '0';
  const more = ids.length > SHOWN_IDS ? ', …' : '';
  return `${ids.length}: ${ids.slice(0, SHOWN_IDS).join(', ')}${more}`;
}

function seconds(millis: number): string {
  return `${(millis / 1000).toFixed(2)} s`;
}

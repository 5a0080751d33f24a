import type { Failure, Job } from './job.ts';
import type { SimulationOptions, SimulationReport } from './simulate.ts';

/** What may be told on the command line. */
export interface FleetOptions {
  small: boolean;
  workers?: number;
  streams?: number;
  minutes?: number;
  stacks: boolean;
}

const FULL = { workers: 50, streams: 1000, minutes: 3, fragmentMillis: 20_000 };
const SMALL = { workers: 6, streams: 40, minutes: 6, fragmentMillis: 4000 };
const FAILOVER_MILLIS = 10_000;
/** Of the time of trouble; in the rest workers come and go while the table answers. */
const FAULTY_SHARE = 0.6;

export function seedJob(seed: number, options: FleetOptions): Extract<Job, { type: 'SIMULATE' }> {
  const fleet = options.small ? SMALL : FULL;
  const { workers = fleet.workers, streams = fleet.streams, minutes = fleet.minutes } = options;
  const troubleMillis = minutes * 60_000;
  return {
    type: 'SIMULATE',
    options: {
      seed,
      workers,
      streams,
      failoverTimeInMilli: FAILOVER_MILLIS,
      faultMillis: troubleMillis * FAULTY_SHARE,
      troubleMillis,
      fragmentMillis: fleet.fragmentMillis,
    },
    withStacks: options.stacks,
  };
}

/** What has happened in a run, on one line. */
export function reportLine(report: SimulationReport, realMillis: number): string {
  const { seed, virtualMillis, published, repeats, longestUnownedMillis } = report;
  const counts = [
    `${report.kills} kills`,
    `${report.terminations} terminations`,
    `${report.pauses} pauses`,
    `${report.outages} outages`,
    `${report.takes} takes`,
    `${report.handOvers} hand-overs`,
    `${report.samplingChanges} sampling changes`,
    `${published} published`,
    `${repeats} repeats`,
    `longest unowned ${seconds(longestUnownedMillis)}`,
  ];
  return `seed ${seed}: ${seconds(virtualMillis)} virtual, ${counts.join(', ')}; ${seconds(realMillis)}`;
}

/** What has gone wrong in a run, and how to see it again. */
export function failureLines(
  { seed, workers, streams }: SimulationOptions,
  { virtualMillis, problem, isInvariant, logFile }: Failure,
  options: FleetOptions,
): string {
  const again = [
    'npm run simulate --',
    `--seed ${seed}`,
    ...(options.small ? ['--small'] : []),
    ...(options.workers === undefined ? [] : [`--workers ${workers}`]),
    ...(options.streams === undefined ? [] : [`--streams ${streams}`]),
    ...(options.minutes === undefined ? [] : [`--minutes ${options.minutes}`]),
    // What the simulation itself stumbles over says little without.
    ...(isInvariant ? [] : ['--stacks']),
  ];
  return [
    `seed ${seed}: FAILED after ${seconds(virtualMillis)} virtual: ${problem}`,
    `  again: ${again.join(' ')}`,
    `  log: ${logFile}`,
  ].join('\n');
}

function seconds(millis: number): string {
  return `${(millis / 1000).toFixed(1)} s`;
}

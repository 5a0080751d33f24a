import type { Counts } from './application.ts';
import { type Point, type Tolerance, type Trend, trendOf } from './flatness.ts';
import { type Sample, total } from './sample.ts';

/** What one worker has shown, round by round. */
export interface Observation {
  readonly name: string;
  /** A lossless application loses nothing, whatever happens. */
  readonly isLossless: boolean;
  /** RSS of each round, the median of many looks. */
  readonly rss: readonly Point[];
  /** At the end of each round's rest, with the garbage collected. */
  readonly rests: ReadonlyArray<{ millis: number; sample: Sample }>;
  readonly counts: Counts;
  /** Rounds in which nothing was published. */
  readonly silentRounds: number;
  /** Of its process, after SIGTERM. */
  readonly ended: string;
}

export interface ApplicationReport {
  readonly name: string;
  readonly isGood: boolean;
  readonly trends: Readonly<Record<string, Trend>>;
  readonly counts: Counts;
  readonly failures: readonly string[];
  /** In the last rest. */
  readonly resources: Readonly<Record<string, number>>;
  readonly holders: Sample['holders'];
}

const MIB = 2 ** 20;
const HEAP: Tolerance = { share: 0.05, least: 2 * MIB };
/** A frame or two that are on their way count in it. */
const EXTERNAL: Tolerance = { share: 0.05, least: 4 * MIB };
/** Of pages that are freed not all are given back: that depends on where in them something lives. */
const RSS: Tolerance = { share: 0.05, least: 12 * MIB };
/** Connections that are kept for reuse come and go. */
const COUNT: Tolerance = { share: 0.05, least: 5 };

/** @throws {RangeError} if there were too few rounds to say */
export function reportOf(observation: Observation): ApplicationReport {
  const { name, rss, rests, counts } = observation;
  const at = (value: (sample: Sample) => number) =>
    rests.map(({ millis, sample }): Point => ({ millis, value: value(sample) }));
  const trends: Record<string, Trend> = {
    RSS: trendOf(rss, RSS),
    'heap used': trendOf(
      at(({ heapUsed }) => heapUsed),
      HEAP,
    ),
    external: trendOf(
      at(({ external }) => external),
      EXTERNAL,
    ),
    'file descriptors': trendOf(
      at(({ fileDescriptors }) => fileDescriptors ?? 0),
      COUNT,
    ),
    'active resources': trendOf(
      at(({ resources }) => total(resources)),
      COUNT,
    ),
    timers: trendOf(
      at(({ resources }) => resources['Timeout'] ?? 0),
      COUNT,
    ),
    listeners: trendOf(
      at(({ listeners }) => listeners),
      COUNT,
    ),
  };
  const failures = failuresOf(observation);
  const isGood = failures.length === 0 && Object.values(trends).every(({ isFlat }) => isFlat);
  const last = rests.at(-1)?.sample;
  return {
    name,
    isGood,
    trends,
    counts,
    failures,
    resources: last?.resources ?? {},
    holders: last?.holders ?? [],
  };
}

function failuresOf({ isLossless, silentRounds, ended, counts }: Observation): string[] {
  const problems: string[] = [];
  if (ended !== 'exit code 0') problems.push(`ended after SIGTERM with ${ended}`);
  if (silentRounds > 0) problems.push(`published nothing in ${silentRounds} rounds`);
  if (isLossless && counts.FramesFailed > 0) problems.push(`${counts.FramesFailed} frames failed`);
  if (isLossless && counts.FramesDropped > 0) problems.push(`${counts.FramesDropped} frames dropped`);
  if (isLossless && counts.Gaps > 0) problems.push(`${counts.Gaps} gaps`);
  return problems;
}

/** A line for each figure. */
export function reportLines({
  name,
  trends,
  counts,
  failures,
  holders,
  resources,
}: ApplicationReport): string[] {
  const rows = Object.entries(trends).map(([figure, trend]) => {
    const text = textOf(figure);
    const { start, firstHalf, secondHalf, end, max, growth, tolerated, isFlat } = trend;
    const values = `start ${text(start)}, halves ${text(firstHalf)} → ${text(secondHalf)}, end ${text(end)}, most ${text(max)}`;
    const verdict = `${isFlat ? 'flat' : 'GROWS'}: ${text(growth)} over the second half, tolerated ${text(tolerated)}`;
    return `  ${figure.padEnd(16)}  ${values}; ${verdict}`;
  });
  const happened = Object.entries(counts).map(([what, count]) => `${what} ${count}`);
  const most = holders.map(({ target, event, count }) => `${target} "${event}" ${count}`);
  return [
    `${name}: ${happened.join(', ')}`,
    ...rows,
    `  most listeners    ${most.join(', ')}`,
    `  resources         ${Object.entries(resources)
      .map(([type, count]) => `${type} ${count}`)
      .join(', ')}`,
    ...failures.map((failure) => `  FAILURE           ${failure}`),
  ];
}

/** One line of a worker in the middle of it. */
export function sampleLine({ name, counts }: Pick<Observation, 'name' | 'counts'>, sample: Sample): string {
  const { rss, heapUsed, external, fileDescriptors, resources, listeners } = sample;
  const memory = `RSS ${mib(rss)}, heap ${mib(heapUsed)}, external ${mib(external)}`;
  const handles = `${fileDescriptors ?? 'unknown'} fds, ${total(resources)} resources, ${listeners} listeners`;
  return `${name.padEnd(8)} ${memory}, ${handles}, ${counts.ResultsPublished} published`;
}

const MEMORY_FIGURES: readonly string[] = ['RSS', 'heap used', 'external'];

function textOf(figure: string): (value: number) => string {
  return MEMORY_FIGURES.includes(figure) ? mib : (value) => value.toFixed(1).replace(/\.0$/, '');
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

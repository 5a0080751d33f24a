import type { Figures, LoadFigure } from '../harness/bench-case.ts';
import { monthlyCost, TARGET_CPU } from './cost.ts';

const FLEETS = [1, 10, 100, 500];
const VIDEO = '1080p';

/** The small table that the README begins its figures with. */
export function summaryMarkdown({ load = [], addedMillis }: Figures): string {
  const head = [
    '| video | sampled | streams a vCPU | at 60 % CPU | $ a stream and month, of 100 |',
    '|---|---|--:|--:|--:|',
  ];
  const rows = load.map(({ video, inferenceInterval, coresPerStream }) => {
    const cost = monthlyCost(100, inferenceInterval, coresPerStream).total / 100;
    const streams = [1 / coresPerStream, TARGET_CPU / coresPerStream].map((count) => Math.round(count));
    return `| ${video} | ${everyNth(inferenceInterval)} | ${streams.join(' | ')} | ${cost.toFixed(2)} |`;
  });
  const lag =
    addedMillis === undefined
      ? []
      : [
          '',
          `Added to decoding, from the last byte of a key frame to the call of the endpoint: ${addedMillis.p50.toFixed(1)} ms (p50), ${addedMillis.p99.toFixed(1)} ms (p99).`,
        ];
  return [...head, ...rows, ...lag].join('\n');
}

/** What fleets of several sizes cost. */
export function costMarkdown(load: readonly LoadFigure[]): string {
  const head = [
    '| streams | interval | calls/s | tasks | Fargate | GetMedia | leases | results, parser | logs, metrics | **all** | a NAT would add |',
    `|${'--:|'.repeat(11)}`,
  ];
  const byInterval = load
    .filter(({ video }) => video === VIDEO)
    .sort((one, other) => one.inferenceInterval - other.inferenceInterval);
  const rows = FLEETS.flatMap((streams) =>
    byInterval.map(({ inferenceInterval, coresPerStream }) => {
      const cost = monthlyCost(streams, inferenceInterval, coresPerStream);
      const { tasks, total, nat } = cost;
      const parts = [cost.fargate, cost.getMedia, cost.leases, cost.results, cost.logsAndMetrics];
      const cells = [streams, inferenceInterval, (streams / inferenceInterval).toFixed(1), tasks];
      return `| ${[...cells, ...parts.map(dollars), `**${dollars(total)}**`, dollars(nat)].join(' | ')} |`;
    }),
  );
  return [...head, ...rows].join('\n');
}

/** Puts text between `<!-- NAME -->` and `<!-- /NAME -->`. @throws {Error} where the document has no such place */
export function withBlock(document: string, name: string, text: string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const from = document.indexOf(start);
  const to = document.indexOf(end);
  if (from === -1 || to < from) throw new Error(`no place for "${name}"`);
  return `${document.slice(0, from + start.length)}\n${text}\n${document.slice(to)}`;
}

export function everyNth(interval: number): string {
  return interval === 1 ? 'each I-frame' : `each ${interval}th I-frame`;
}

/** 1117.4 → `1,117`. */
function dollars(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

import type { Figures } from '../harness/bench-case.ts';
import { monthlyCost } from './cost.ts';
import { everyNth } from './readme.ts';

/*
 * One picture of what matters to who runs cameras, as SVG: bars, each with its number.
 */

const WIDTH = 760;
const ROW = 30;
const HEAD = 46;
const LABEL = 190;
const BAR = WIDTH - LABEL - 120;
const COLORS = {
  streams: '#2a78b5',
  getMedia: '#9db4c0',
  tasks: '#2a78b5',
  rest: '#d8a03d',
  latency: '#4c9a62',
};

interface Bar {
  readonly label: string;
  /** From left to right. */
  readonly parts: ReadonlyArray<{ readonly value: number; readonly color: string }>;
  readonly text: string;
}

interface Panel {
  readonly title: string;
  /** What the colours are, where there are several. */
  readonly legend?: Readonly<Record<string, string>>;
  readonly bars: readonly Bar[];
}

export function plotSvg({ load = [], addedMillis }: Figures): string {
  const label = (video: string, interval: number) => `${video}, ${everyNth(interval)}`;
  const panels: Panel[] = [
    {
      title: 'Live streams for each vCPU (H.264, 4 Mbit/s, an I-frame a second, over TLS)',
      bars: load.map(({ video, inferenceInterval, coresPerStream }) => ({
        label: label(video, inferenceInterval),
        parts: [{ value: 1 / coresPerStream, color: COLORS.streams }],
        text: String(Math.round(1 / coresPerStream)),
      })),
    },
    {
      title: 'Dollars for each stream and month, in a fleet of 100:',
      legend: { GetMedia: COLORS.getMedia, tasks: COLORS.tasks, 'all else': COLORS.rest },
      bars: load.map(({ video, inferenceInterval, coresPerStream }) => {
        const { getMedia, fargate, total } = monthlyCost(100, inferenceInterval, coresPerStream);
        return {
          label: label(video, inferenceInterval),
          parts: [
            { value: getMedia, color: COLORS.getMedia },
            { value: fargate, color: COLORS.tasks },
            { value: total - getMedia - fargate, color: COLORS.rest },
          ],
          text: (total / 100).toFixed(2),
        };
      }),
    },
    {
      title: 'Milliseconds added to decoding, last byte of a key frame to the call (50 streams, 1080p, TLS)',
      bars: Object.entries(addedMillis ?? {}).map(([name, millis]) => ({
        label: name,
        parts: [{ value: millis, color: COLORS.latency }],
        text: millis.toFixed(1),
      })),
    },
  ].filter(({ bars }) => bars.length > 0);
  const height = panels.reduce((sum, { bars }) => sum + HEAD + bars.length * ROW, 16);
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif" font-size="14">`,
    '<title>Live streams for each vCPU, their cost a month, and the milliseconds added</title>',
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
  ];
  let top = 0;
  for (const panel of panels) {
    lines.push(...panelLines(panel, top));
    top += HEAD + panel.bars.length * ROW;
  }
  return `${[...lines, '</svg>'].join('\n')}\n`;
}

function panelLines({ title, legend = {}, bars }: Panel, top: number): string[] {
  const most = Math.max(...bars.map(({ parts }) => sum(parts)));
  const named = Object.entries(legend).map(([name, color]) => ` <tspan fill="${color}">■ ${name}</tspan>`);
  const lines = [
    `<text x="16" y="${top + 30}" font-weight="600" fill="#222222">${title}${named.join('')}</text>`,
  ];
  for (const [index, { label, parts, text }] of bars.entries()) {
    const y = top + HEAD + index * ROW;
    lines.push(`<text x="${LABEL - 12}" y="${y + 16}" text-anchor="end" fill="#444444">${label}</text>`);
    let x = LABEL;
    for (const { value, color } of parts) {
      const width = (BAR * value) / most;
      lines.push(
        `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="22" fill="${color}"/>`,
      );
      x += width;
    }
    lines.push(`<text x="${(x + 8).toFixed(1)}" y="${y + 16}" fill="#222222">${text}</text>`);
  }
  return lines;
}

function sum(parts: Bar['parts']): number {
  return parts.reduce((total, { value }) => total + value, 0);
}

import type { Points } from './series.ts';

const AXES = ['left', 'right'] as const;
type Axis = (typeof AXES)[number];

export interface PlottedLine {
  readonly label: string;
  /** As CloudWatch calls it. */
  readonly unit: string;
  readonly axis: Axis;
  readonly points: Points;
}

export interface PlotSize {
  readonly width: number;
  readonly height: number;
  /** Milliseconds since the Unix epoch. */
  readonly from: number;
  readonly to: number;
}

interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const COLORS = ['#1f77b4', '#ff7f0e', '#2ca02c', '#d62728', '#9467bd', '#8c564b', '#e377c2'];
const MARGIN = { side: 46, top: 18, bottom: 18 };
const LEGEND = { lineHeight: 15, letterWidth: 6.2 };
/** Fewer points than these are hard to see as a line. */
const FEW_POINTS = 4;

/** Lines over time as SVG: both axes from zero, the unit above each, the legend below. */
export function plot(lines: readonly PlottedLine[], { width, height, from, to }: PlotSize): string {
  const legend = placedLegend(lines, width);
  const legendHeight = ((legend.at(-1)?.row ?? -1) + 1) * LEGEND.lineHeight;
  const frame = {
    left: MARGIN.side,
    right: width - MARGIN.side,
    top: MARGIN.top,
    bottom: height - legendHeight - MARGIN.bottom,
  };
  const axes = AXES.map((axis) => {
    const onAxis = lines.filter((line) => line.axis === axis);
    const maximum = niceMaximum(Math.max(0, ...onAxis.flatMap(({ points }) => points.map(([, y]) => y))));
    return { axis, onAxis, maximum };
  });
  const drawn = axes.flatMap(({ onAxis, maximum }) =>
    onAxis.map(({ points }) => ({
      color: colorOf(lines, points),
      points: points.map(([millis, value]) => ({
        x: frame.left + (Math.max(0, millis - from) / Math.max(1, to - from)) * (frame.right - frame.left),
        y: frame.bottom - (value / maximum) * (frame.bottom - frame.top),
      })),
    })),
  );
  const parts = [
    ...axes.flatMap(({ axis, onAxis, maximum }) =>
      onAxis.length === 0 ? [] : scale(axis, onAxis, maximum, frame),
    ),
    ...drawn.map(({ points, color }) => polyline(points, color)),
    ...legend.map((entry) => legendEntry(entry, frame.bottom + 20)),
  ];
  return `<svg width="${width}" height="${height}" font-size="11" fill="#545b64">${parts.join('')}</svg>`;
}

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

function colorOf(lines: readonly PlottedLine[], points: Points): string {
  return COLORS[lines.findIndex((line) => line.points === points) % COLORS.length] ?? '';
}

function scale(axis: Axis, lines: readonly PlottedLine[], maximum: number, frame: Frame): string[] {
  const x = axis === 'left' ? frame.left - 4 : frame.right + 4;
  const anchor = axis === 'left' ? 'end' : 'start';
  const unit = [...new Set(lines.map((line) => line.unit))].filter((each) => each !== '').join(', ');
  return [
    // Towards the middle, as the unit may be longer than the margin.
    axis === 'left' ? text(unit, 10, 10, 'start') : text(unit, frame.right + MARGIN.side - 10, 10, 'end'),
    ...[0, 0.5, 1].flatMap((share) => {
      const y = frame.bottom - share * (frame.bottom - frame.top);
      return [
        `<path d="M${frame.left} ${y}H${frame.right}" stroke="#eaeded"/>`,
        text(short(share * maximum), x, y + 4, anchor),
      ];
    }),
  ];
}

function polyline(points: ReadonlyArray<{ readonly x: number; readonly y: number }>, color: string): string {
  const coordinates = points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ');
  const dots = points.length < FEW_POINTS ? points : [];
  return [
    `<polyline points="${coordinates}" fill="none" stroke="${color}" stroke-width="1.5"/>`,
    ...dots.map(({ x, y }) => `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3" fill="${color}"/>`),
  ].join('');
}

interface LegendEntry {
  readonly x: number;
  readonly row: number;
  readonly line: PlottedLine;
  readonly color: string;
}

function placedLegend(lines: readonly PlottedLine[], width: number): LegendEntry[] {
  let x = 10;
  let row = 0;
  return lines.map((line) => {
    const needed = line.label.length * LEGEND.letterWidth + 26;
    if (x + needed > width && x > 10) {
      x = 10;
      row += 1;
    }
    const entry = { x, row, line, color: colorOf(lines, line.points) };
    x += needed;
    return entry;
  });
}

function legendEntry({ x, row, line, color }: LegendEntry, top: number): string {
  const y = top + row * LEGEND.lineHeight;
  const opacity = line.points.length === 0 ? 0.45 : 1;
  const square = `<rect x="${x}" y="${y}" width="9" height="9" fill="${color}"/>`;
  return `<g opacity="${opacity}">${square}${text(line.label, x + 13, y + 9, 'start')}</g>`;
}

function text(content: string, x: number, y: number, anchor: 'start' | 'end'): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

/** 1, 2 or 5 times a power of ten. */
function niceMaximum(maximum: number): number {
  if (maximum <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(maximum));
  return ([1, 2, 5, 10].find((step) => step * power >= maximum) ?? 10) * power;
}

function short(value: number): string {
  if (value >= 1e6) return `${+(value / 1e6).toFixed(2)}M`;
  if (value >= 1e3) return `${+(value / 1e3).toFixed(2)}k`;
  return String(+value.toFixed(2));
}

import uPlot from 'uplot';
import { find, setText } from './dom.ts';
import { HISTORY_MILLIS } from './history.ts';

const HEIGHT = 44;
const AXIS_WIDTH = 46;

/** A value and its last two minutes. */
export class RunningPlot {
  readonly #name: string;
  readonly #format: (value: number | null) => string;
  readonly #value: HTMLElement;
  readonly #frame: HTMLElement;
  readonly #plot: uPlot;
  readonly #resizing: ResizeObserver;

  /** @param root a `.plot` of the page, its name in it */
  constructor(root: HTMLElement, format: (value: number | null) => string) {
    this.#name = find(root, 'dt', HTMLElement).textContent;
    this.#format = format;
    this.#value = find(root, '.value', HTMLElement);
    this.#frame = find(root, '.canvas', HTMLElement);
    this.#plot = new uPlot(plotOptions(this.#frame, format), [[], []], this.#frame);
    this.#plot.ctx.canvas.role = 'img';
    this.#resizing = new ResizeObserver(() => {
      this.#plot.setSize({ width: this.#frame.clientWidth, height: HEIGHT });
    });
    this.#resizing.observe(this.#frame);
  }

  /** @param ages milliseconds, from below up to 0, of the values */
  update(ages: number[], values: (number | null)[]): void {
    const newest = this.#format(values.at(-1) ?? null);
    setText(this.#value, newest);
    this.#plot.ctx.canvas.ariaLabel = `${this.#name} over the last two minutes, now ${newest}`;
    this.#plot.setData([ages, values]);
  }

  /** With the colours of the moment. */
  redraw(): void {
    this.#plot.redraw();
  }

  destroy(): void {
    this.#resizing.disconnect();
    this.#plot.destroy();
  }
}

function plotOptions(frame: HTMLElement, format: (value: number | null) => string): uPlot.Options {
  const style = getComputedStyle(frame);
  const color = (name: string) => () => style.getPropertyValue(name);
  return {
    width: frame.clientWidth,
    height: HEIGHT,
    padding: [7, 0, 7, 1],
    cursor: { show: false },
    legend: { show: false },
    scales: {
      x: { time: false, range: [-HISTORY_MILLIS, 0] },
      y: { range: (_plot, _min, max) => [0, niceCeiling(max)] },
    },
    series: [
      {},
      { stroke: color('--accent'), fill: color('--accent-faint'), width: 1.5, points: { show: false } },
    ],
    axes: [
      { show: false },
      {
        side: 1,
        size: AXIS_WIDTH,
        gap: 6,
        font: `11px ${style.fontFamily}`,
        stroke: color('--muted'),
        grid: { stroke: color('--line'), width: 1 },
        ticks: { show: false },
        splits: ({ data, scales }) => (data[1]?.some(isNumber) ? [0, scales['y']?.max ?? 0] : [0]),
        values: (_plot, splits) =>
          splits.map((value) => (value === 0 ? '0' : format(value).replace('.0', ''))),
      },
    ],
  };
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number';
}

/** The next of 1, 2, 5, 10, 20, 50, … above the value, so that the scale seldom changes. */
function niceCeiling(value: number | null): number {
  if (value === null || value < 0.1) return 1;
  const magnitude = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5].find((step) => step * magnitude > value) ?? 10) * magnitude;
}

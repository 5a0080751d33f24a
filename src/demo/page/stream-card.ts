import type { ShownStream } from '../state.ts';
import { find, fromTemplate, setText } from './dom.ts';
import { formatCount, formatLag, formatRate } from './format.ts';
import { type SeriesName, StreamHistory } from './history.ts';
import { PictureView } from './picture-view.ts';
import { RunningPlot } from './running-plot.ts';

const COUNTS = ['fragments', 'iFrames', 'sampled', 'published', 'parsed', 'failed'] as const;

const PLOTS = [
  ['lagMillis', formatLag],
  ['fragmentsPerSecond', formatRate],
  ['publishedPerSecond', formatRate],
] as const satisfies readonly [SeriesName, (value: number | null) => string][];

/** The count that a rate is of: without it, there is nothing to plot. */
const PLOTTED_COUNTS = [
  ['fragmentsPerSecond', 'fragments'],
  ['publishedPerSecond', 'published'],
] as const;

/** What the page shows of one stream. */
export class StreamCard {
  readonly #root = fromTemplate('stream-card', HTMLLIElement);
  readonly #picture: PictureView;
  readonly #plots: Map<SeriesName, RunningPlot>;
  readonly #history = new StreamHistory();

  constructor(parent: Element, streamName: string) {
    parent.append(this.#root);
    find(this.#root, 'h3', HTMLElement).textContent = streamName;
    this.#picture = new PictureView(find(this.#root, '.picture-frame', HTMLElement), streamName);
    this.#plots = new Map(
      PLOTS.map(([name, format]) => [
        name,
        new RunningPlot(find(this.#root, `[data-plot=${name}]`, HTMLElement), format),
      ]),
    );
  }

  update(stream: ShownStream, uptimeMillis: number): void {
    for (const name of COUNTS) {
      const count = stream[name];
      this.#show(`div:has(> [data-count=${name}])`, count !== null);
      if (count !== null) setText(find(this.#root, `[data-count=${name}]`, HTMLElement), formatCount(count));
    }
    for (const [plot, count] of PLOTTED_COUNTS) this.#show(`[data-plot=${plot}]`, stream[count] !== null);
    this.#root.classList.toggle('has-failures', (stream.failed ?? 0) > 0);
    if (stream.picture !== null) void this.#picture.show(stream.picture);
    this.#history.add(uptimeMillis, stream);
    for (const [name, plot] of this.#plots) plot.update(this.#history.ages, this.#history.series(name));
  }

  /** With the colours of the moment. */
  redraw(): void {
    for (const plot of this.#plots.values()) plot.redraw();
  }

  #show(selector: string, isShown: boolean): void {
    find(this.#root, selector, HTMLElement).hidden = !isShown;
  }

  remove(): void {
    for (const plot of this.#plots.values()) plot.destroy();
    this.#root.remove();
  }
}

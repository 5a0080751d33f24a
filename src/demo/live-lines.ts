import { createLogUpdate } from 'log-update';
import picocolors from 'picocolors';
import type { StreamState } from './state.ts';

/** How often a line is printed where lines cannot be rewritten. */
const PLAIN_INTERVAL_CALLS = 5;

/** One line per stream: rewritten in place on a terminal, printed now and then elsewhere. Notes stand above. */
export class LiveLines {
  readonly #stream: NodeJS.WriteStream;
  readonly #update: ReturnType<typeof createLogUpdate> | null;
  readonly #colors: ReturnType<typeof picocolors.createColors>;
  #calls = 0;
  #text = '';

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#update = stream.isTTY ? createLogUpdate(stream) : null;
    this.#colors = picocolors.createColors(stream.isTTY === true && picocolors.isColorSupported);
  }

  /** A line of its own. */
  note(text: string): void {
    this.#update?.clear();
    this.#stream.write(`${text}\n`);
    this.#update?.(this.#text);
  }

  draw(streams: readonly StreamState[]): void {
    const width = Math.max(0, ...streams.map(({ streamName }) => streamName.length));
    this.#text = streams.map((stream) => this.#line(stream, width)).join('\n');
    if (this.#update !== null) this.#update(this.#text);
    else if (streams.length > 0 && this.#calls % PLAIN_INTERVAL_CALLS === 0)
      this.#stream.write(`${this.#text}\n`);
    this.#calls += 1;
  }

  /** Leaves the last lines standing. */
  end(): void {
    this.#update?.done();
  }

  #line(stream: StreamState, width: number): string {
    const { bold, dim, green, red } = this.#colors;
    const number = (label: string, value: number) => `${dim(label)} ${String(value).padStart(4)}`;
    const lag = stream.lagMillis === null ? '    -' : `${(stream.lagMillis / 1000).toFixed(1)} s`.padStart(5);
    return [
      bold(stream.streamName.padEnd(width)),
      number('fragments', stream.fragments),
      number('I-frames', stream.iFrames),
      number('sampled', stream.sampled),
      number('results', stream.parsed),
      ...(stream.failed > 0 ? [red(number('failed', stream.failed))] : []),
      `${dim('lag')} ${lag}`,
      green(seen(stream)),
    ].join('  ');
  }
}

/** `person 0.83, chair 0.44` */
function seen({ picture }: StreamState): string {
  if (picture === null) return '';
  const best = picture.detections.toSorted((a, b) => b.confidence - a.confidence).slice(0, 4);
  return best.map(({ label, confidence }) => `${label} ${confidence.toFixed(2)}`).join(', ') || 'nothing';
}

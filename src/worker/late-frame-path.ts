import type { SampledFrame } from '../stream/sampled-frame.ts';
import type { MediaSource } from '../stream/source.ts';
import type { FramePath, FramePathOptions } from './frame-path.ts';

/**
 * The frames' way, whose code, FFmpeg's above all, takes its time to load: that begins when GetMedia has answered for the
 * first time, and nothing of a body is read before it is done.
 */
export class LateFramePath {
  /** Resolves when the code cannot be loaded: no stream can be read then. Why, `close` says. */
  readonly failed: Promise<void>;
  readonly #make: () => Promise<FramePath>;
  #making: Promise<FramePath> | null = null;
  #path: FramePath | null = null;
  #fail: () => void = () => undefined;

  constructor(options: FramePathOptions, load = () => import('./frame-path.ts')) {
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    this.#make = async () => {
      const { FramePath } = await load();
      this.#path = new FramePath(options);
      return this.#path;
    };
  }

  /** Frames that wait or are in flight. */
  get depth(): number {
    return this.#path?.depth ?? 0;
  }

  /** Bytes of these frames, as they were compressed. */
  get bytes(): number {
    return this.#path?.bytes ?? 0;
  }

  /** @returns the source, whose bodies are there when there is a way for their frames */
  behind(source: MediaSource): MediaSource {
    return {
      open: async (stream, position, signal) => {
        if (this.#path !== null) return await source.open(stream, position, signal);
        const failed = new AbortController();
        const body = await source.open(stream, position, AbortSignal.any([signal, failed.signal]));
        await this.#made().catch((error: unknown) => {
          // Nobody reads the body.
          failed.abort(error);
          throw error;
        });
        return body;
      },
    };
  }

  /** See `FramePath`. */
  async submit(frame: SampledFrame, signal: AbortSignal): Promise<void> {
    const path = this.#path ?? (await this.#made());
    await path.submit(frame, signal);
  }

  /** To be called when the configuration has changed. */
  configure(): void {
    this.#path?.configure();
  }

  /** Measures the values of now. To be called at every metrics interval. */
  report(): void {
    this.#path?.report();
  }

  /**
   * Resolves when no frame is inside any more; it is for the tenures to see to that.
   *
   * @throws what the code could not be loaded for
   */
  async close(): Promise<void> {
    const path = await this.#making;
    await path?.close();
  }

  #made(): Promise<FramePath> {
    if (this.#making === null) {
      this.#making = this.#make();
      this.#making.catch(this.#fail);
    }
    return this.#making;
  }
}

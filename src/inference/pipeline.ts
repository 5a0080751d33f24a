import type { SampledEndpoint } from '../lease/sampling.ts';
import type { SampledFrame } from '../stream/sampled-frame.ts';
import type { ByteBudget } from './byte-budget.ts';
import { EndpointPipeline, type EndpointPipelineOptions } from './endpoint-pipeline.ts';

export interface PipelineOptions extends Omit<EndpointPipelineOptions, 'endpoint' | 'share'> {
  /** Of the compressed frames in all queues. */
  budget: ByteBudget;
}

/** The ways to all endpoints, within one bound of bytes. */
export class InferencePipeline {
  readonly #options: PipelineOptions;
  /** By name and content type. */
  readonly #pipelines = new Map<string, EndpointPipeline>();

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.configure();
  }

  /** Sampled frames that wait or are in flight. */
  get depth(): number {
    return [...this.#pipelines.values()].reduce((sum, { depth }) => sum + depth, 0);
  }

  /** Bytes of these frames, as they were compressed. */
  get bytes(): number {
    return this.#options.budget.held;
  }

  /**
   * To be called when the configuration has changed. An endpoint that is no longer configured stays for the frames that
   * were sampled for it, now or in what is read again.
   */
  configure(): void {
    for (const endpoint of this.#options.config().endpoints) this.#of(endpoint);
    for (const pipeline of this.#pipelines.values()) pipeline.configure();
    this.#closeUnused();
  }

  /**
   * Resolves when the frame is in its endpoint's queue; waits while that is full. From then on, exactly one of its
   * `settle` and `abandon` is called, once.
   *
   * @throws the reason of `signal`, or of the tenure's `draining`, if it aborts before
   */
  async submit(frame: SampledFrame, signal: AbortSignal): Promise<void> {
    await this.#of(frame.endpoint).submit(frame, signal);
  }

  /** Measures the values of now. To be called now and then. */
  report(): void {
    for (const pipeline of this.#pipelines.values()) pipeline.report();
    this.#closeUnused();
  }

  /** Resolves when no frame is inside any more; it is for the tenures to see to that. Writes the last lines. */
  async close(): Promise<void> {
    await Promise.all([...this.#pipelines.values()].map((pipeline) => pipeline.close()));
  }

  /** What they have of the bytes goes to the others. */
  #closeUnused(): void {
    const wanted = new Set(this.#options.config().endpoints.map(key));
    for (const [name, pipeline] of this.#pipelines) {
      if (wanted.has(name) || !pipeline.isIdle) continue;
      this.#pipelines.delete(name);
      void pipeline.close();
    }
  }

  #of(endpoint: SampledEndpoint): EndpointPipeline {
    const known = this.#pipelines.get(key(endpoint));
    if (known !== undefined) return known;
    const { budget, ...options } = this.#options;
    const pipeline = new EndpointPipeline({ ...options, endpoint, share: budget.share() });
    this.#pipelines.set(key(endpoint), pipeline);
    return pipeline;
  }
}

/** What is asked for in another format is another way. */
function key({ name, acceptContentType }: SampledEndpoint): string {
  return `${name} ${acceptContentType}`;
}

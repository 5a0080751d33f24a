import { once } from 'node:events';
import { WorkerProcess } from '../chaos/worker-process.ts';
import type { Sample } from './sample.ts';
import type { Services } from './services.ts';

export interface ApplicationOptions {
  name: string;
  /** What it is like when nothing is changed. */
  config: Readonly<Record<string, unknown>>;
  services: Services;
  /** Path of the bundled program. */
  script: string;
  /** Path of the module that answers `sample`. */
  diagnostics: string;
  logFolder: string;
}

/** Metrics that are counts. */
const COUNTED = [
  'ResultsPublished',
  'FramesDropped',
  'FramesFailed',
  'FramesHandedOver',
  'InvocationRetries',
  'PublishRetries',
  'EndpointPauses',
  'Reconnects',
  'LeaseTableErrors',
  'LeasesLost',
  'ConfigErrors',
  'Gaps',
] as const;
export type Counts = Record<(typeof COUNTED)[number], number>;

const SAMPLE_LIMIT_MILLIS = 30_000;
const STOP_LIMIT_MILLIS = 35_000;

/** A parameter, a lease table, a data stream and one worker. */
export class Application {
  readonly name: string;
  /** Sums of what its metrics say. */
  readonly counts = Object.fromEntries(COUNTED.map((name) => [name, 0])) as Counts;
  readonly #options: ApplicationOptions;
  readonly #worker: WorkerProcess;
  readonly #answers = new Map<number, (sample: Sample) => void>();
  #samples = 0;

  private constructor(options: ApplicationOptions) {
    const { name, services, script, diagnostics, logFolder } = options;
    this.name = name;
    this.#options = options;
    this.#worker = new WorkerProcess({
      name,
      script,
      logFolder,
      env: { ...services.env, CONFIG_PARAMETER: name },
      onLine: (line) => this.#count(line),
      nodeOptions: ['--import', diagnostics],
      onMessage: (message) => {
        const { sample, ...figures } = message as Sample & { sample: number };
        this.#answers.get(sample)?.(figures);
        this.#answers.delete(sample);
      },
    });
  }

  static async start(options: ApplicationOptions): Promise<Application> {
    const { name, config, services } = options;
    await services.configure(name, config);
    return new Application(options);
  }

  get ended(): Promise<string> {
    return this.#worker.ended;
  }

  /** Changes these keys of its configuration; none: back to what it was. */
  async reconfigure(changes: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const { name, config, services } = this.#options;
    await services.configure(name, { ...config, ...changes });
  }

  /** @param collect the garbage before anything but RSS is looked at */
  async sample(collect: boolean): Promise<Sample> {
    this.#samples += 1;
    const sample = this.#samples;
    const limit = AbortSignal.timeout(SAMPLE_LIMIT_MILLIS);
    const answered = new Promise<Sample>((resolve) => this.#answers.set(sample, resolve));
    this.#worker.tell({ sample, collect });
    const silence = once(limit, 'abort').then(() => {
      throw new Error(`the worker of ${this.name} says nothing`);
    });
    const end = this.ended.then((how): never => {
      throw new Error(`the worker of ${this.name} ended by itself: ${how}`);
    });
    return await Promise.race([answered, silence, end]);
  }

  /** SIGTERM. @returns how it ended */
  async end(): Promise<string> {
    this.#worker.terminate();
    const limit = setTimeout(() => void this.#worker.kill(), STOP_LIMIT_MILLIS);
    const how = await this.ended;
    clearTimeout(limit);
    return how;
  }

  /** SIGKILL, if it still runs. */
  async close(): Promise<void> {
    await this.#worker.kill();
  }

  #count(line: Readonly<Record<string, unknown>>): void {
    if (line['_aws'] === undefined || line['Error'] !== undefined) return;
    for (const name of COUNTED) {
      const value = line[name];
      if (typeof value === 'number') this.counts[name] += value;
    }
  }
}

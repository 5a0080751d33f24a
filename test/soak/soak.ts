import { setTimeout as delay } from 'node:timers/promises';
import { Closers } from '../../src/core/closers.ts';
import { Random } from '../support/random.ts';
import { Application } from './application.ts';
import { playRound, ROUND_UNITS } from './episodes.ts';
import { median, type Point } from './flatness.ts';
import { type ApplicationReport, type Observation, reportOf, sampleLine } from './report.ts';
import { leastOf, type Sample } from './sample.ts';
import { startServices } from './services.ts';

export interface SoakOptions {
  minutes: number;
  streams: number;
  /** Folder of the bundled program. */
  dist: string;
  /** Path of the module that is loaded into each worker. */
  diagnostics: string;
  logFolder: string;
  /** What happens. */
  note: (text: string) => void;
  /** How the workers are, once a minute. */
  progress: (text: string) => void;
  signal: AbortSignal;
}

const SAMPLE_MILLIS = 5000;
const PROGRESS_MILLIS = 60_000;
/** What comes and goes also in a rest, such as frames on their way, is in some of them only. */
const REST_LOOKS = 5;
const REST_LOOK_MILLIS = 700;
/** As many as a verdict needs. */
const MIN_ROUNDS = 8;
const MAX_ROUND_MILLIS = 120_000;

const CONFIG = {
  sageMakerEndpoint: 'detector',
  startPosition: 'EARLIEST',
  inferenceInterval: 1,
  configRefreshIntervalInMilli: 1000,
  checkpointIntervalInMilli: 1000,
  readStallTimeoutInMilli: 5000,
  leaseSyncIntervalInMilli: 10_000,
  metricsIntervalInMilli: 5000,
};

/**
 * Workers of a lossless and of a live application over the same streams, through rounds of the same trouble. Each round
 * ends with a rest: what is held then is to be the same from round to round.
 */
export async function soak(options: SoakOptions): Promise<ApplicationReport[]> {
  const { minutes, note, signal, streams, ...files } = options;
  const roundMillis = Math.min(MAX_ROUND_MILLIS, (minutes * 60_000) / MIN_ROUNDS);
  const rounds = Math.round((minutes * 60_000) / roundMillis);
  const closers = new Closers();
  try {
    const random = new Random(1);
    const services = closers.add(await startServices({ streams, dist: files.dist, random, signal }));
    const start = async (mode: 'lossless' | 'live') => {
      const config = { ...CONFIG, mode, kdsStreamName: mode, streamNames: services.streams };
      const script = `${files.dist}/main.js`;
      const application = await Application.start({ name: mode, config, services, script, ...files });
      return new Watch(closers.add(application), mode === 'lossless');
    };
    const watches = [await start('lossless'), await start('live')];
    const applications = watches.map(({ application }) => application);
    note(`${rounds} rounds of ${roundMillis / 1000} s`);
    const end = new AbortController();
    const common = { ...options, signal: AbortSignal.any([signal, end.signal]) };
    const play = async () => {
      for (let round = 1; round <= rounds; round += 1) {
        note(`round ${round} of ${rounds}`);
        await playRound({ ...common, services, applications }, roundMillis / ROUND_UNITS);
        await Promise.all(watches.map((watch) => watch.endRound()));
      }
    };
    const both = [play(), watchAll(watches, common)];
    // Whoever fails ends the other one.
    await Promise.race(both).finally(() => end.abort());
    await Promise.allSettled(both);
    signal.throwIfAborted();
    return await Promise.all(watches.map(async (watch) => reportOf(await watch.end())));
  } finally {
    await closers.close();
  }
}

/** Looks at every worker until the signal aborts. */
async function watchAll(watches: readonly Watch[], { progress, signal }: SoakOptions): Promise<void> {
  for (let next = performance.now() + PROGRESS_MILLIS; !signal.aborted; ) {
    await delay(SAMPLE_MILLIS, undefined, { signal }).catch(() => undefined);
    const isDue = performance.now() >= next;
    if (isDue) next += PROGRESS_MILLIS;
    for (const watch of watches) {
      const sample = await watch.look();
      if (isDue) progress(sampleLine(watch.application, sample));
    }
  }
}

/** What is seen of one worker. */
class Watch {
  readonly application: Application;
  readonly #isLossless: boolean;
  readonly #rests: Array<{ millis: number; sample: Sample }> = [];
  readonly #rss: Point[] = [];
  #rssOfRound: number[] = [];
  #published = 0;
  #silentRounds = 0;

  constructor(application: Application, isLossless: boolean) {
    this.application = application;
    this.#isLossless = isLossless;
  }

  async look(): Promise<Sample> {
    const sample = await this.application.sample(false);
    this.#rssOfRound.push(sample.rss);
    return sample;
  }

  async endRound(): Promise<void> {
    const millis = performance.now();
    const samples: Sample[] = [];
    while (samples.length < REST_LOOKS) {
      await delay(REST_LOOK_MILLIS);
      samples.push(await this.application.sample(true));
    }
    const sample = leastOf(samples);
    this.#rests.push({ millis, sample });
    this.#rss.push({ millis, value: median([...this.#rssOfRound.splice(0), sample.rss]) });
    const { ResultsPublished: published } = this.application.counts;
    if (published === this.#published) this.#silentRounds += 1;
    this.#published = published;
  }

  async end(): Promise<Observation> {
    const ended = await this.application.end();
    const { name, counts } = this.application;
    return {
      name,
      isLossless: this.#isLossless,
      rss: this.#rss,
      rests: this.#rests,
      counts,
      silentRounds: this.#silentRounds,
      ended,
    };
  }
}

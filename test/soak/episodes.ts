import { setTimeout as delay } from 'node:timers/promises';
import type { Application } from './application.ts';
import type { Services } from './services.ts';

/** What trouble is made for. */
export interface Stage {
  readonly services: Services;
  readonly applications: readonly Application[];
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

interface Episode {
  readonly name: string;
  /** Of a round, whose length is ROUND_UNITS. */
  readonly units: number;
  readonly begin: (stage: Stage) => void | Promise<void>;
  readonly end?: (stage: Stage) => void | Promise<void>;
}

const CUT = { probability: 0.6, bytes: 200_000 };
const TWO_ENDPOINTS = {
  sageMakerEndpoint: undefined,
  endpoints: [{ name: 'detector' }, { name: 'second' }],
};
const SMALLER = {
  inferenceInterval: 2,
  sageMakerTaskThreadPoolSize: 4,
  sageMakerTaskQueueSize: 100,
  sageMakerTaskTimeoutInMilli: 3000,
  imageMaxWidth: 320,
  imageQuality: 50,
};
const INVALID = { inferenceInterval: 0 };

const well = ({ services }: Stage) => {
  services.endpoint.health = 'well';
};
const reconfigure =
  (changes?: Readonly<Record<string, unknown>>) =>
  async ({ applications }: Stage) => {
    await Promise.all(applications.map((application) => application.reconfigure(changes)));
  };

/** One round. The last one is the rest, in which every worker gets done with what the trouble has left. */
const EPISODES: readonly Episode[] = [
  {
    name: 'the endpoint is slow',
    units: 1,
    begin: ({ services }) => {
      services.endpoint.health = 'slow';
    },
    end: well,
  },
  {
    name: 'the endpoint throttles; the unsteady camera stops',
    units: 1,
    begin: async ({ services }) => {
      services.endpoint.health = 'throttled';
      await services.stopUnsteadyCamera();
    },
    end: (stage) => {
      well(stage);
      stage.services.startUnsteadyCamera();
    },
  },
  {
    name: 'the endpoint is away',
    units: 2,
    begin: ({ services }) => {
      services.endpoint.health = 'away';
    },
    end: well,
  },
  {
    name: 'connections to the cameras are cut',
    units: 1,
    begin: ({ services }) => void services.media.cut(CUT.probability, CUT.bytes),
    end: ({ services }) => void services.media.cut(CUT.probability, 0),
  },
  {
    name: 'the data stream stores some records and throttles others',
    units: 1,
    begin: ({ services }) => services.proxies.Kinesis.harm('partial', 0.7),
    end: ({ services }) => services.proxies.Kinesis.heal(),
  },
  {
    name: 'the lease table fails now and then',
    units: 1,
    begin: ({ services }) => services.proxies.DynamoDB.harm('failed', 0.3),
    end: ({ services }) => services.proxies.DynamoDB.heal(),
  },
  { name: 'the configuration asks for less', units: 1, begin: reconfigure(SMALLER), end: reconfigure() },
  { name: 'the configuration has two endpoints', units: 1, begin: reconfigure(TWO_ENDPOINTS) },
  { name: 'the configuration is wrong', units: 0.5, begin: reconfigure(INVALID), end: reconfigure() },
  { name: 'rest', units: 2.5, begin: () => undefined },
];

export const ROUND_UNITS = EPISODES.reduce((sum, { units }) => sum + units, 0);

/** @returns when the round is over, or the signal has aborted, with everything well again */
export async function playRound(stage: Stage, unitMillis: number): Promise<void> {
  for (const { name, units, begin, end } of EPISODES) {
    stage.signal.throwIfAborted();
    stage.note(name);
    await begin(stage);
    try {
      await delay(units * unitMillis, undefined, { signal: stage.signal });
    } finally {
      await end?.(stage);
    }
  }
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import {
  atMost,
  type BenchCase,
  type CaseOptions,
  type CaseResult,
  type Cell,
  type Table,
} from '../harness/bench-case.ts';
import { type Measured, measured, ratio } from '../harness/measured.ts';
import { alternate } from '../harness/rounds.ts';
import { type Start, startImports, startWorker } from './process.ts';
import { type Found, startServices } from './services.ts';

/** Starts are short, and differ. */
const ROUNDS_PER_ROUND = 3;
/** Beside node_modules, where what is not bundled is found. The working directory is the clone's. */
const CACHE = 'node_modules/.cache/kvs-inference';
const PACKAGES = 'imports, from node_modules';
const BUNDLED = 'imports, bundled';
const USUAL: Found = 'lease';
const FOUND: Readonly<Record<Found, string>> = {
  lease: 'its lease is free',
  table: 'its lease is to be created',
  nothing: 'the table is to be created',
};

type Started = Pick<Start, 'seconds' | 'cpuSeconds'> & Partial<Start>;

export const start: BenchCase = {
  name: 'start',
  description: "from exec to the first GetMedia request; beside importing the SDK's clients and nothing else",
  async run(options) {
    await mkdir(CACHE, { recursive: true });
    const folder = await mkdtemp(join(CACHE, 'bench-start-'));
    const services = await startServices(options.signal);
    try {
      return await measure(folder, services, options);
    } finally {
      await services.close();
      await rm(folder, { recursive: true });
    }
  },
};

async function measure(
  folder: string,
  services: Awaited<ReturnType<typeof startServices>>,
  options: CaseOptions,
): Promise<CaseResult> {
  const image = join(folder, 'image');
  const imports = 'bench/start/aws-clients.mjs';
  const bundledImports = join(folder, 'imports');
  await bundle(['worker', image], options.signal);
  await bundle([imports, bundledImports], options.signal);

  let count = 0;
  const worker = (script: string, found: Found) => async (): Promise<Started> => {
    count += 1;
    const applicationName = `application-${count}`;
    await services.prepare(applicationName, found);
    return await startWorker(script, applicationName, services, options.signal);
  };
  const founds = Object.keys(FOUND) as Found[];
  const rounds = options.quick ? 1 : options.rounds * ROUNDS_PER_ROUND;
  const all = await alternate<string, Started>(
    {
      [PACKAGES]: () => startImports(imports, options.signal),
      [BUNDLED]: () => startImports(join(bundledImports, 'aws-clients.js'), options.signal),
      ...Object.fromEntries(founds.map((found) => [imageName(found), worker(join(image, 'main.js'), found)])),
      [CLONE]: worker('dist/main.js', USUAL),
    },
    { ...options, rounds },
  );

  const names = Object.keys(all);
  const wall = (name: string) => measured((all[name] ?? []).map(({ seconds }) => seconds * 1000));
  const cpu = (name: string) => cpuMillis(all[name] ?? []);
  const limit = [PACKAGES, BUNDLED].reduce((one, other) =>
    wall(one).median <= wall(other).median ? one : other,
  );
  const timesTheLimit = (of: (name: string) => Measured | null, name: string): Cell => {
    const [figure, least] = [of(name), of(limit)];
    return figure === null || least === null ? null : ratio(figure, least);
  };
  const usual = imageName(USUAL);
  const cpuOfUsual = cpu(usual);
  const cpuOfLimit = cpu(limit);
  return {
    tables: [
      {
        caption: 'from exec, milliseconds',
        columns: [
          { title: 'started' },
          { title: 'wall', digits: 0 },
          { title: 'CPU', digits: 0 },
          { title: 'wall, times the limit' },
          { title: 'CPU, times the limit' },
        ],
        rows: names.map((name) => [
          name === limit ? `${name} (the limit)` : name,
          wall(name),
          cpu(name),
          timesTheLimit(wall, name),
          timesTheLimit(cpu, name),
        ]),
      },
      timeline(all[usual] ?? []),
    ],
    targets: [
      atMost(1.5, `wall, times that of ${PACKAGES}`, ratio(wall(usual), wall(PACKAGES))),
      atMost(1.5, `wall, times that of ${limit}`, ratio(wall(usual), wall(limit))),
      ...(cpuOfUsual === null || cpuOfLimit === null
        ? []
        : [atMost(1.5, `CPU, times that of ${limit}`, ratio(cpuOfUsual, cpuOfLimit))]),
    ],
    notes: [
      'Wall is what users wait, on a machine that does nothing else. All services answer at once, over HTTP on loopback: on AWS the round trips come on top, nine one after the other in the usual case.',
      'Where the table is to be created, 200 ms are a pause before it is looked at again.',
    ],
  };
}

const CLONE = `clone, ${FOUND[USUAL]}`;

function imageName(found: Found): string {
  return `image, ${FOUND[found]}`;
}

/** As the image has it. */
async function bundle(args: readonly string[], signal: AbortSignal): Promise<void> {
  const child = spawn(process.execPath, ['docker/bundle.mjs', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    signal,
  });
  const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  if (code !== 0) throw new Error(`${args[0]} cannot be bundled: ${errors.trim()}`);
}

function cpuMillis(starts: readonly Started[]): Measured | null {
  const millis = starts.flatMap(({ cpuSeconds }) => (cpuSeconds === null ? [] : cpuSeconds * 1000));
  return millis.length === starts.length ? measured(millis) : null;
}

/** When the requests of the start in the middle have arrived. */
function timeline(starts: readonly Started[]): Table {
  const sorted = [...starts].sort((one, other) => one.seconds - other.seconds);
  const { arrivals = [], startedNanos = 0n } = sorted[Math.floor(sorted.length / 2)] ?? {};
  const rows: string[][] = [];
  for (const { request, atNanos } of arrivals) {
    rows.push([request, (Number(atNanos - startedNanos) / 1e6).toFixed(0)]);
  }
  return {
    caption: `the requests of one start: ${imageName(USUAL)}`,
    columns: [{ title: 'request' }, { title: 'milliseconds from exec', digits: 0 }],
    rows,
  };
}

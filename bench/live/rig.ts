import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { serialize } from 'node:v8';
import { systemClock } from '../../src/core/clock.ts';
import { Closers } from '../../src/core/closers.ts';
import type { MetricName } from '../../src/core/metric-names.ts';
import { inChild } from '../harness/child.ts';
import { spawnWorker } from '../harness/image.ts';
import type { Clip } from './cameras.ts';
import { loopbackCertificate } from './certificate.ts';
import type { EmulatorOptions, Questions } from './emulator.ts';
import type { ReaderOptions } from './reader.ts';

/** The bundle of ../child.ts, beside which this part of it lies. */
const PROGRAM = fileURLToPath(new URL('child.mjs', import.meta.url));

/** As it lies in the clone; the bundle of the bench lies in its node_modules/.cache. */
const PICTURE_PROBE = fileURLToPath(new URL('../../../../bench/live/picture-probe.mjs', import.meta.url));

const PARAMETER_NAME = 'bench';
const START_MILLIS = 30_000;
const ASK_AGAIN_MILLIS = 50;

export interface RigOptions {
  readonly clip: Clip;
  readonly streams: number;
  readonly inferenceInterval: number;
  readonly tls: boolean;
  /** Whether it is noted when each picture is made; default: not. */
  readonly timesPictures?: boolean;
  /** For the clip, the certificate and what is noted. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** From key frame to JPEG, milliseconds since the Unix epoch. */
export interface Picture {
  readonly start: number;
  readonly end: number;
}

export interface Rig {
  readonly workerPid: number;
  readonly emulatorPid: number;
  ask<Question extends keyof Questions>(question: Question): Promise<Questions[Question]>;
  /** Reads the streams with nothing but Node.js, when the worker has ended. @returns CPU seconds for each second of a stream */
  readOnly(measuredMillis: number): Promise<number>;
  /** Ends the worker as Fargate does. @returns the sums of its metrics @throws {Error} if it fails, or has failed */
  end(): Promise<ReadonlyMap<MetricName, number>>;
  /** In the order in which they were ready, when the worker has ended; none unless `timesPictures`. */
  pictures(): Promise<readonly Picture[]>;
  /** Ends what still runs. */
  close(): Promise<void>;
}

/** A worker as the image runs it, and all the services that it uses in a process beside it. Resolves when all streams are read. */
export async function startRig(options: RigOptions): Promise<Rig> {
  const closers = new Closers();
  try {
    const emulator = await startEmulator(options, closers);
    const worker = startWorker(options, emulator, closers);
    const { clip, inferenceInterval, streams, signal } = options;
    // Until the last camera has begun.
    const settlingMillis = inferenceInterval * clip.frames.length * clip.frameMillis;
    const { url, streamNames, certificateFile } = emulator;
    const readers = async () => (await emulator.ask('counts')).readers;
    await until(`${streams} streams are read`, async () => (await readers()) === streams, worker.failure);
    await delay(settlingMillis, null, { signal });
    return {
      workerPid: worker.pid,
      emulatorPid: emulator.pid,
      ask: emulator.ask,
      end: worker.end,
      pictures: worker.pictures,
      readOnly: async (measuredMillis) => {
        const reading: ReaderOptions = { url, streamNames, certificateFile, settlingMillis, measuredMillis };
        return await inChild<number>('live-reader', reading, { signal });
      },
      close: () => closers.close(),
    };
  } catch (error) {
    await closers.close();
    throw error;
  }
}

async function startEmulator(options: RigOptions, closers: Closers) {
  const { clip, streams, inferenceInterval, tls, folder } = options;
  const clipFile = join(folder, 'clip');
  await writeFile(clipFile, serialize(clip));
  const certificate = tls ? await loopbackCertificate() : null;
  const certificateFile = join(folder, 'certificate.pem');
  if (certificate !== null) await writeFile(certificateFile, certificate.cert);
  const streamNames = Array.from({ length: streams }, (_, index) => `camera-${index + 1}`);
  const emulatorOptions: EmulatorOptions = {
    clipFile,
    certificate,
    streamNames,
    spreadMillis: inferenceInterval * clip.frames.length * clip.frameMillis,
    parameterName: PARAMETER_NAME,
    config: {
      streamNames,
      inferenceInterval,
      sageMakerEndpoint: 'bench',
      kdsStreamName: 'bench',
    },
  };
  const child = spawn(process.execPath, [PROGRAM, 'live-emulator', JSON.stringify(emulatorOptions)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    signal: options.signal,
  });
  const { pid, failure } = ending(child, closers);
  const [url] = (await Promise.race([once(child, 'message'), failure])) as [string];
  const ask = async <Question extends keyof Questions>(question: Question) => {
    const answer = once(child, 'message');
    child.send(question);
    return (await Promise.race([answer, failure]))[0] as Questions[Question];
  };
  return { pid, url, ask, streamNames, certificateFile: tls ? certificateFile : null };
}

function startWorker(
  { signal, folder, timesPictures = false }: RigOptions,
  { url, certificateFile }: { url: string; certificateFile: string | null },
  closers: Closers,
) {
  const picturesFile = join(folder, 'pictures.json');
  const variables = {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
    AWS_ENDPOINT_URL: url,
    ...(certificateFile === null ? {} : { NODE_EXTRA_CA_CERTS: certificateFile }),
    CONFIG_PARAMETER: PARAMETER_NAME,
    PICTURES_FILE: picturesFile,
  };
  const child = spawnWorker(variables, {
    nodeFlags: timesPictures ? ['--import', PICTURE_PROBE] : [],
    signal,
  });
  // What the SDK says of Node.js's version, and why the process cannot start.
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const { pid, failure } = ending(child, closers, () => errors);
  const sums = new Map<MetricName, number>();
  const problems: string[] = [];
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text);
    if (['warn', 'error', 'fatal'].includes(line.level)) problems.push(text);
    if (line.msg !== 'metrics' || line.Error !== undefined) return;
    for (const [name, value] of Object.entries(line)) {
      if (typeof value === 'number')
        sums.set(name as MetricName, (sums.get(name as MetricName) ?? 0) + value);
    }
  });
  const end = async () => {
    const closed = once(child, 'close');
    child.kill('SIGTERM');
    const [code] = await closed;
    if (code !== 0 || problems.length > 0) {
      throw new Error(`the worker ended with ${code}: ${problems.slice(0, 10).join('\n')} ${errors}`);
    }
    return sums;
  };
  const pictures = async (): Promise<Picture[]> =>
    timesPictures ? JSON.parse(await readFile(picturesFile, 'utf8')) : [];
  return { pid, failure, end, pictures };
}

/** @returns besides its id, what rejects when it ends before it is told to */
function ending(
  child: ChildProcess,
  closers: Closers,
  errors = () => '',
): { pid: number; failure: Promise<never> } {
  const failure = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      reject(new Error(`${child.spawnargs.slice(1, 4).join(' ')} ended with ${code}: ${errors()}`));
    });
  });
  failure.catch(() => undefined);
  closers.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  });
  if (child.pid === undefined) throw new Error(`${child.spawnfile} does not start`);
  return { pid: child.pid, failure };
}

async function until(
  what: string,
  condition: () => Promise<boolean>,
  failure: Promise<never>,
): Promise<void> {
  const end = systemClock.monotonic() + START_MILLIS;
  while (!(await condition())) {
    if (systemClock.monotonic() > end) throw new Error(`not within ${START_MILLIS} ms: ${what}`);
    await Promise.race([delay(ASK_AGAIN_MILLIS), failure]);
  }
}

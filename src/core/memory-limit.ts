import { totalmem } from 'node:os';
import { type Clock, NEVER, systemClock, withTimeout } from './clock.ts';
import { KvsInferenceError } from './errors.ts';

export interface MemoryLimit {
  readonly bytes: number;
  /** The file, or the URL, that says so. */
  readonly source: string;
}

export interface MemoryLimitOptions {
  readFile: (path: string, encoding: 'utf8') => Promise<string>;
  fetch: (url: string, init: { signal: AbortSignal }) => Promise<Response>;
  /** `ECS_CONTAINER_METADATA_URI_V4`; null outside of ECS. */
  metadataUri: string | null;
  clock?: Clock;
  /** The machine's memory, bytes. */
  totalBytes?: number;
}

const MIB = 2 ** 20;
const METADATA_TIMEOUT_MILLIS = 1_000;
const MAX_METADATA_BYTES = MIB;
/** Of an own control group only so many ancestors are looked at. */
const MAX_CGROUP_DEPTH = 32;
const MIN_QUEUE_BYTES = 64 * MIB;

/**
 * How much memory this process may use: the least that any of its control groups, its ECS container, its ECS task or the
 * machine allows. On Fargate only the task has a limit, which no control group of the container shows. What cannot be
 * read is passed over.
 */
export async function memoryLimitBytes(options: MemoryLimitOptions): Promise<MemoryLimit> {
  const machine = { bytes: options.totalBytes ?? totalmem(), source: 'os.totalmem' };
  const limits = await Promise.all([cgroupLimits(options), metadataLimits(options)]);
  return limits.flat().reduce((least, limit) => (limit.bytes < least.bytes ? limit : least), machine);
}

/** The default of `sageMakerTaskQueueBytes`. */
export function defaultQueueBytes(memoryLimit: number): number {
  return Math.max(MIN_QUEUE_BYTES, Math.floor(memoryLimit / 4));
}

/**
 * https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files: `memory.max`, bytes or `max`.
 * https://docs.kernel.org/admin-guide/cgroup-v1/memory.html: `memory.limit_in_bytes`, a huge number for no limit.
 */
async function cgroupLimits({ readFile }: MemoryLimitOptions): Promise<MemoryLimit[]> {
  const own = await readFile('/proc/self/cgroup', 'utf8').catch(() => '');
  const files = cgroupFiles(own).map(async (source) => {
    const text = await readFile(source, 'utf8').catch(() => '');
    return limit(/^\d+\s*$/.test(text) ? Number(text) : null, source);
  });
  return (await Promise.all(files)).flat();
}

/** @param own `/proc/self/cgroup`, lines of `hierarchy:controllers:path`; version 2 has the hierarchy 0 */
function cgroupFiles(own: string): string[] {
  const files = new Set(['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']);
  for (const line of own.split('\n')) {
    const [, hierarchy, controllers = '', path = ''] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    const isMemory = controllers.split(',').includes('memory');
    if (hierarchy !== '0' && !isMemory) continue;
    const names = path.split('/').filter((name) => name !== '' && name !== '..');
    for (const [index] of names.slice(0, MAX_CGROUP_DEPTH).entries()) {
      const group = names.slice(0, index + 1).join('/');
      files.add(
        isMemory
          ? `/sys/fs/cgroup/memory/${group}/memory.limit_in_bytes`
          : `/sys/fs/cgroup/${group}/memory.max`,
      );
    }
  }
  return [...files];
}

/**
 * `Limits.Memory` of the container and of its task, MiB
 * (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html).
 */
async function metadataLimits(options: MemoryLimitOptions): Promise<MemoryLimit[]> {
  const { metadataUri } = options;
  if (metadataUri === null) return [];
  const urls = [`${metadataUri}/task`, metadataUri].map(async (url) => {
    const metadata = await readMetadata(url, options).catch(() => null);
    const mib = (metadata as { Limits?: { Memory?: unknown } } | null)?.Limits?.Memory;
    return limit(typeof mib === 'number' ? mib * MIB : null, url);
  });
  return (await Promise.all(urls)).flat();
}

async function readMetadata(url: string, options: MemoryLimitOptions): Promise<unknown> {
  const { fetch, clock = systemClock } = options;
  return await withTimeout(clock, METADATA_TIMEOUT_MILLIS, NEVER, async (signal) => {
    const { ok, body } = await fetch(url, { signal });
    if (!ok || body === null) {
      await body?.cancel();
      throw new KvsInferenceError('NO_METADATA', `no task metadata at ${url}`);
    }
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > MAX_METADATA_BYTES) {
        throw new KvsInferenceError(
          'METADATA_TOO_LARGE',
          `${url} is larger than ${MAX_METADATA_BYTES} bytes`,
        );
      }
      chunks.push(chunk);
    }
    return JSON.parse(Buffer.concat(chunks).toString());
  });
}

/** @returns none if there is no limit */
function limit(bytes: number | null, source: string): MemoryLimit[] {
  return bytes !== null && bytes > 0 ? [{ bytes: Math.floor(bytes), source }] : [];
}

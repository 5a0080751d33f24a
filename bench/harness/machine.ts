import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';

/** Where figures come from. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly node: string;
  /** The program's own, where it is on the PATH. */
  readonly ffmpeg: string | null;
  /** Of the packages that are measured, by name. */
  readonly packages: Readonly<Record<string, string>>;
}

const PACKAGES = [
  'node-av',
  'sharp',
  'ebml',
  'ts-ebml',
  'ebml-stream',
  'mediabunny',
  '@aws-sdk/client-kinesis',
];

export function thisMachine(): Machine {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${platform()} ${arch()}`,
    node: process.version,
    ffmpeg: ffmpegVersion(),
    packages: Object.fromEntries(PACKAGES.map((name) => [name, versionOf(name)])),
  };
}

/** Null where there is none on the PATH. */
export function ffmpegVersion(): string | null {
  try {
    const output = execFileSync('ffmpeg', ['-version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return /^ffmpeg version (\S+)/.exec(output)?.[1] ?? 'unknown';
  } catch {
    return null;
  }
}

function versionOf(name: string): string {
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    try {
      return JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8')).version;
    } catch {
      // The next folder up may have it.
    }
  }
  return 'not installed';
}

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { z } from 'zod';

/** What the Dockerfile needs (.dockerignore lets in no more), as paths from the clone. */
const ROOTS = [
  '.dockerignore',
  '.npmrc',
  'Dockerfile',
  'LICENSE',
  'docker',
  'package-lock.json',
  'package.json',
  'scripts',
  'src',
  'tsconfig.json',
];

const DIGEST_LENGTH = 12;

const packageFile = z.object({ version: z.string() });

export interface Sources {
  readonly version: string;
  /** Of the names and bytes of all files, hexadecimal. */
  readonly digest: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

/** Whatever is not there is left out: it is the image's Dockerfile that complains. */
export function readSources(root: string): Sources {
  const paths = ROOTS.flatMap((path) => filesUnder(root, path)).sort();
  const files = new Map(paths.map((path) => [path, readFileSync(join(root, path))]));
  const hash = createHash('sha256');
  for (const [path, bytes] of files) hash.update(`${path}\0${bytes.length}\0`).update(bytes);
  const { version } = packageFile.parse(JSON.parse(String(files.get('package.json'))));
  return { version, digest: hash.digest('hex').slice(0, DIGEST_LENGTH), files };
}

export function zipSources({ files }: Sources): Uint8Array {
  return zipSync(Object.fromEntries(files), { level: 6 });
}

function filesUnder(root: string, path: string): string[] {
  const stat = statSync(join(root, path), { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (stat.isFile()) return [path];
  return readdirSync(join(root, path)).flatMap((name) => filesUnder(root, `${path}/${name}`));
}

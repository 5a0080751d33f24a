// Bundles src into dist with esbuild: the command-line program, its child processes, the page, the Lambda.
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildLambda } from './build-lambda.mjs';
import { buildPage } from './build-page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const newest = (directory) =>
  Math.max(
    ...readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(`${entry.parentPath ?? entry.path}/${entry.name}`).mtimeMs),
  );

const isBuilt = () => {
  const built = statSync(`${root}dist/main.js`, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = ['src', 'scripts', 'package-lock.json'].map((name) =>
    name.includes('.') ? statSync(root + name).mtimeMs : newest(root + name),
  );
  return built > Math.max(...sources);
};

/** The program, and those that it starts. */
export const entryPoints = {
  main: 'src/main.ts',
  kinesis: 'src/emulator/kinesis/main.ts',
  'model-server': 'src/emulator/model/main.ts',
};

/** esbuild's options for any of the entry points. */
export function programOptions() {
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  return {
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    splitting: true,
    define: { 'process.env.KVS_INFERENCE_VERSION': JSON.stringify(version) },
    logLevel: 'warning',
  };
}

export async function build() {
  const esbuild = await import('esbuild');
  await Promise.all([
    esbuild.build({
      ...programOptions(),
      entryPoints,
      outdir: 'dist',
      packages: 'external',
      sourcemap: true,
    }),
    buildPage(`${root}dist`),
    buildLambda(`${root}dist`),
  ]);
}

export async function ensureBuilt() {
  if (!isBuilt()) await build();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { ensureInstalled } = await import('./install.mjs');
  ensureInstalled();
  rmSync(`${root}dist`, { recursive: true, force: true });
  await build();
}

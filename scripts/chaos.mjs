// Runs the chaos test from a clone: installs and builds what is missing, bundles test/chaos, then becomes it.
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './install.mjs';

ensureInstalled();
const { ensureBuilt } = await import('./build.mjs');
await ensureBuilt();

const root = fileURLToPath(new URL('..', import.meta.url));
const bundle = `${root}node_modules/.cache/kvs-inference/chaos.mjs`;
const esbuild = await import('esbuild');
await esbuild.build({
  absWorkingDir: root,
  entryPoints: ['test/chaos/main.ts'],
  outfile: bundle,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  packages: 'external',
  sourcemap: 'inline',
  logLevel: 'warning',
});

// Our parent is npm, as its scripts are started with exec. When it is killed, we end too.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
}, 500).unref();

process.argv.splice(2, 0, '--dist', `${root}dist`);
await import(bundle);

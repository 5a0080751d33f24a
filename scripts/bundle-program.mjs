// For programs under test/ that are started from a clone. Plain Node.js without imports from node_modules, which may
// be missing.
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './install.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Installs what is missing, bundles the program `test/NAME/main.ts` and becomes it. */
export async function runTestProgram(name) {
  ensureInstalled();
  const esbuild = await import('esbuild');
  const bundle = `${root}node_modules/.cache/kvs-inference/${name}.mjs`;
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: [`test/${name}/main.ts`],
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

  await import(bundle);
}

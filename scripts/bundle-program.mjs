// For programs under test/ and bench/ that are started from a clone. Plain Node.js without imports from node_modules,
// which may be missing.
import { fileURLToPath } from 'node:url';
import { endWithParent } from './end-with-parent.mjs';
import { ensureInstalled } from './install.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Installs what is missing, bundles the program, such as `test/chaos/main.ts`, and becomes it.
 *
 * @param others by the names of their bundles, which lie beside it
 */
export async function runProgram(entryPoint, others = {}) {
  ensureInstalled();
  const esbuild = await import('esbuild');
  const name = entryPoint.replaceAll('/', '-').replace(/\.ts$/, '');
  const folder = `${root}node_modules/.cache/kvs-inference/${name}`;
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: { main: entryPoint, ...others },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'external',
    sourcemap: 'inline',
    logLevel: 'warning',
  });

  endWithParent();
  await import(`${folder}/main.mjs`);
}

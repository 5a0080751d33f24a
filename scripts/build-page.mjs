// Bundles src/demo/page, the demo's web page, into page/: index.html, client.js, client.css.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Writes the page into the directory. */
export async function buildPage(outputDirectory) {
  const esbuild = await import('esbuild');
  const license = readFileSync(`${root}node_modules/uplot/LICENSE`, 'utf8').trim();
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: ['index.html', 'client.ts', 'client.css'].map((name) => `src/demo/page/${name}`),
    outdir: join(resolve(outputDirectory), 'page'),
    loader: { '.html': 'copy' },
    bundle: true,
    minify: true,
    platform: 'browser',
    target: 'es2022',
    format: 'esm',
    // uPlot's licence asks to be in every copy.
    banner: { js: `/*! uPlot\n${license}\n*/` },
    logLevel: 'warning',
  });
}

// Bundles src/lambda/index.ts into lambda/index.js (also fit to stand inline in a template) and lambda.zip.
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Writes both into the directory and returns their sizes in bytes. The same source gives the same bytes. */
export async function buildLambda(outputDirectory) {
  const [esbuild, { zipSync }] = await Promise.all([import('esbuild'), import('fflate')]);
  const directory = resolve(outputDirectory);
  const { outputFiles } = await esbuild.build({
    absWorkingDir: root,
    entryPoints: ['src/lambda/index.ts'],
    bundle: true,
    write: false,
    minify: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    // Without template literals the code has no dollar sign and brace, which Fn::Sub would replace, in it.
    supported: { 'template-literal': false },
    logLevel: 'warning',
  });
  const code = Buffer.from(commonJs(outputFiles[0].text));
  // Zip has local times without a zone: local midnight is the same bytes everywhere. Mode rw-r--r--, as Lambda's
  // user is not the file's owner.
  const attributes = { level: 9, mtime: new Date(1980, 0, 1), os: 3, attrs: 0o644 << 16 };
  const zip = zipSync({ 'index.js': [code, attributes] });
  await mkdir(join(directory, 'lambda'), { recursive: true });
  await Promise.all([
    writeFile(join(directory, 'lambda', 'index.js'), code),
    writeFile(join(directory, 'lambda.zip'), zip),
  ]);
  return { codeBytes: code.length, zipBytes: zip.length };
}

/** As CommonJS, without esbuild's helpers for it: every byte counts in a template. */
function commonJs(code) {
  const exported = /export\{(\w+) as handler\};\n$/.exec(code);
  if (exported === null) throw new Error('the bundled parser exports something else than its handler');
  return `"use strict";${code.slice(0, exported.index)}exports.handler=${exported[1]};\n`;
}

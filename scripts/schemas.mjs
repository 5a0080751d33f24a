// Writes the JSON Schemas in config from the code.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

await build();
for (const [file, args] of [
  ['kvs-inference.schema.json', []],
  ['result-record.schema.json', ['--record']],
]) {
  const { stdout } = spawnSync(process.execPath, [`${root}dist/main.js`, 'config', 'schema', ...args]);
  writeFileSync(`${root}config/${file}`, stdout);
}

// Runs a benchmark from a clone: `npm run bench -- NAME …` is the program bench/NAME.ts.
import { readdirSync } from 'node:fs';
import { root, runProgram } from './bundle-program.mjs';
import { ensureInstalled } from './install.mjs';

const [name] = process.argv.splice(2, 1);
const names = readdirSync(`${root}bench`)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -'.ts'.length));
if (!names.includes(name)) {
  console.error(`no benchmark "${name ?? ''}"; there are: ${names.join(', ')}`);
  process.exit(2);
}
ensureInstalled();
const { ensureBuilt } = await import('./build.mjs');
await ensureBuilt();
await runProgram(`bench/${name}.ts`);

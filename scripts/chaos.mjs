// Runs the chaos test from a clone: real worker processes of the built program that are killed, stopped and cut off.
import { root, runProgram } from './bundle-program.mjs';
import { ensureInstalled } from './install.mjs';

ensureInstalled();
const { ensureBuilt } = await import('./build.mjs');
await ensureBuilt();
process.argv.splice(2, 0, '--dist', `${root}dist`);
await runProgram('test/chaos/main.ts');

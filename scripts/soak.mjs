// Runs the soak from a clone: real workers of the built program, with trouble now and then, whose memory is watched.
import { root, runProgram } from './bundle-program.mjs';
import { ensureInstalled } from './install.mjs';

ensureInstalled();
const { ensureBuilt } = await import('./build.mjs');
await ensureBuilt();
process.argv.splice(2, 0, '--dist', `${root}dist`, '--diagnostics', `${root}test/soak/diagnostics.mjs`);
await runProgram('test/soak/main.ts');

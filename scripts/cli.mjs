// Runs the command-line program from a clone: installs and builds what is missing, then becomes it.
import { ensureInstalled } from './install.mjs';

ensureInstalled();
const { ensureBuilt } = await import('./build.mjs');
await ensureBuilt();

// Our parent is npm, as its scripts are started with exec: a shell between would keep signals to itself. When it is
// killed, we end too.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
}, 500).unref();

await import('../dist/main.js');

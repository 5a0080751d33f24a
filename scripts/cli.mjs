// Runs the command-line program from a clone: installs and builds what is missing, then becomes it.
import { ensureInstalled } from './install.mjs';

ensureInstalled();
const { ensureBuilt } = await import('./build.mjs');
await ensureBuilt();

// npm ends its shell at a signal, and the shell passes none on: without it, we end as if we had got the signal.
const shell = process.ppid;
setInterval(() => {
  if (process.ppid !== shell) process.kill(process.pid, 'SIGTERM');
}, 500).unref();

await import('../dist/main.js');

// Runs the command-line program from a clone: installs and builds what is missing, then becomes it.
import { ensureInstalled } from './install.mjs';

ensureInstalled();
const { ensureBuilt } = await import('./build.mjs');
await ensureBuilt();
await import('../dist/main.js');

// Runs the command-line program from a clone: installs and builds what is missing, then becomes it.
import { endWithParent } from './end-with-parent.mjs';
import { ensureInstalled } from './install.mjs';

ensureInstalled();
const { ensureBuilt } = await import('./build.mjs');
await ensureBuilt();

endWithParent();
await import('../dist/main.js');

// Runs benchmarks from a clone: `npm run bench [NAME …] [-- options]`.
import { runProgram } from './bundle-program.mjs';
import { ensureInstalled } from './install.mjs';

ensureInstalled();
const { ensureBuilt } = await import('./build.mjs');
await ensureBuilt();
await runProgram('bench/main.ts', { child: 'bench/child.ts' });

#!/usr/bin/env node
import { run } from './cli/program.ts';
import { enlargeThreadPool } from './core/environment.ts';

enlargeThreadPool();
// Whoever reads the output may have had enough of it, such as `head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
process.exitCode = await run(process.argv.slice(2));

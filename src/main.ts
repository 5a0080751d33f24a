#!/usr/bin/env node
import { enlargeThreadPool } from './core/environment.ts';

enlargeThreadPool();
// Whoever reads the output may have had enough of it, such as `head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
const args = process.argv.slice(2);
// The service does not wait for what reads the arguments of the other commands.
process.exitCode =
  args.length === 1 && args[0] === 'worker'
    ? await (await import('./cli/worker.ts')).worker()
    : await (await import('./cli/program.ts')).run(args);

#!/usr/bin/env node
import { run } from './cli/program.ts';
import { enlargeThreadPool } from './core/environment.ts';

enlargeThreadPool();
process.exitCode = await run(process.argv.slice(2));

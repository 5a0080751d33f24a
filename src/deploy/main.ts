import picocolors from 'picocolors';
import { untilSignal } from '../cli/signals.ts';
import { systemClock } from '../core/clock.ts';
import { silenceSdkVersionNote } from '../core/environment.ts';
import { run } from './program.ts';

/** `root deploy …` or `root destroy …`: the clone, with a slash at its end, and the command with its options. */
const [root = './', ...args] = process.argv.slice(2);
const { stdin, stdout, stderr, env } = process;
silenceSdkVersionNote();
process.exitCode = await run(args, {
  root,
  terminal: { input: stdin, output: stderr },
  print: (line) => void stdout.write(`${line}\n`),
  colors: picocolors.createColors(stderr.isTTY === true && picocolors.isColorSupported),
  clock: systemClock,
  signal: untilSignal(),
  environment: env,
});

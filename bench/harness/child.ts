import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** The bundle of ../child.ts, beside which this part of it lies. */
const PROGRAM = fileURLToPath(new URL('child.mjs', import.meta.url));

/** What a program of its own has used by its end. */
export interface Usage {
  /** User and system time, seconds. */
  readonly cpuSeconds: number;
  /** The largest resident set, bytes. */
  readonly peakBytes: number;
}

/** Of this process so far. */
export function ownUsage(): Usage {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  return {
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
    // Found out when it is asked for: that takes longer than all the rest.
    get peakBytes() {
      return 1024 * (ownPeakKilobytes() ?? maxRSS);
    },
  };
}

/** On Linux a child begins with the peak that its parent has by getrusage(2), but not by proc(5). */
function ownPeakKilobytes(): number | null {
  if (process.platform !== 'linux') return null;
  const [, kilobytes] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return kilobytes === undefined ? null : Number(kilobytes);
}

interface ChildOptions {
  readonly signal: AbortSignal;
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeFlags?: readonly string[];
}

/**
 * Runs one of the programs of child.ts in a process of its own, where it shares neither compiled code nor memory with another.
 *
 * @returns what it has returned, through JSON
 * @throws {Error} with what it has written to standard error, if it fails
 */
export async function inChild<Result>(
  name: string,
  options: unknown,
  { signal, env = {}, nodeFlags = [] }: ChildOptions,
): Promise<Result> {
  const child = spawn(process.execPath, [...nodeFlags, PROGRAM, name, JSON.stringify(options)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  });
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  if (code !== 0) throw new Error(`"${name}" ended with ${code}: ${errors.trim()}`);
  return JSON.parse(output) as Result;
}

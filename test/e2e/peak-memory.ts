import { existsSync, readFileSync } from 'node:fs';

/** Whether the system tells the peaks of processes. */
export const TELLS_PEAKS = existsSync('/proc/self/status');

/** The most that the process has ever had in memory (proc_pid_status(5)), bytes; null where the system does not say. */
export function peakResidentBytes(pid: number | undefined): number | null {
  const path = `/proc/${pid}/status`;
  if (!existsSync(path)) return null;
  const kib = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(path, 'utf8'))?.[1];
  return kib === undefined ? null : Number(kib) * 1024;
}

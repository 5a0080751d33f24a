import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Clock } from '../core/clock.ts';

export interface WorkerProcessOptions {
  /** Path of the bundled program. */
  script: string;
  env: Readonly<Record<string, string>>;
  /** Each line of the worker's log. */
  onLine: (line: Record<string, unknown>) => void;
  clock: Clock;
}

/** A worker in a process of its own, unchanged: only its environment and its log are touched. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  /** Resolves with how the process ended. */
  readonly ended: Promise<{ code: number | null; signal: string | null; stderr: string }>;

  constructor({ script, env, onLine, clock }: WorkerProcessOptions) {
    this.#clock = clock;
    this.#child = spawn(process.execPath, [script, 'worker'], {
      env: { ...process.env, ...env },
      // The channel tells the worker when this process dies. A group of its own: Ctrl-C is for us to pass on.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
    let stderr = '';
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-4000);
    });
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        const parsed = parseLine(line);
        if (parsed !== null) onLine(parsed);
      });
    }
    this.ended = once(this.#child, 'close').then(([code, signal]) => ({ code, signal, stderr }));
  }

  /** SIGTERM, so that it drains; SIGKILL after the limit. */
  async stop(limitMillis: number): Promise<void> {
    const waiting = new AbortController();
    this.#child.kill('SIGTERM');
    this.#clock.sleep(limitMillis, waiting.signal).then(
      () => this.#child.kill('SIGKILL'),
      () => undefined,
    );
    await this.ended;
    waiting.abort();
  }
}

function parseLine(line: string): Record<string, unknown> | null {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return null;
  }
}

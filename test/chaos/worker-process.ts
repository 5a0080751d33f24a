import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface WorkerProcessOptions {
  /** Also that of its log file. */
  name: string;
  /** Path of the bundled program. */
  script: string;
  env: Readonly<Record<string, string>>;
  /** For its log, which is written as it comes. */
  logFolder: string;
  onLine: (line: Readonly<Record<string, unknown>>) => void;
  /** Before the script's path, such as `--import` and a module. */
  nodeOptions?: readonly string[];
  /** Of what that module sends over the channel. */
  onMessage?: (message: unknown) => void;
}

/** `running` from its first log line on. */
export type WorkerState = 'starting' | 'running' | 'paused' | 'ending' | 'ended';

/** A worker as its users run it, in a process of its own. */
export class WorkerProcess {
  readonly name: string;
  /** As its log has it; empty before its first line. */
  id = '';
  /** Resolves with how it ended, such as `exit code 0` or `SIGKILL`. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  #state: WorkerState = 'starting';
  #isAskedToEnd = false;

  constructor(options: WorkerProcessOptions) {
    const { name, script, env, logFolder, onLine, nodeOptions = [], onMessage } = options;
    this.name = name;
    this.#child = spawn(process.execPath, [...nodeOptions, script, 'worker'], {
      env: { ...process.env, ...env },
      // The channel tells the worker when this process dies. A group of its own: Ctrl-C is for us to act on.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
    if (onMessage !== undefined) this.#child.on('message', onMessage);
    const file = createWriteStream(join(logFolder, `${name}.log`));
    this.#child.stderr?.pipe(file, { end: false });
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on('line', (text) => {
        file.write(`${text}\n`);
        const line = parseLine(text);
        if (line === null) return;
        if (this.#state === 'starting') this.#state = 'running';
        if (typeof line['worker'] === 'string') this.id = line['worker'];
        onLine(line);
      });
    }
    this.ended = once(this.#child, 'close').then(([code, signal]) => {
      this.#state = 'ended';
      file.end();
      return signal === null ? `exit code ${code}` : String(signal);
    });
  }

  /** Whether it was sent a signal to end. */
  get isAskedToEnd(): boolean {
    return this.#isAskedToEnd;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** To the module that listens on the channel; a process that has ended hears nothing. */
  tell(message: object): void {
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  async kill(): Promise<void> {
    this.#send('SIGKILL', 'ending');
    await this.ended;
  }

  terminate(): void {
    this.#send('SIGTERM', 'ending');
  }

  pause(): void {
    this.#send('SIGSTOP', 'paused');
  }

  resume(): void {
    if (this.#state === 'paused') this.#send('SIGCONT', 'running');
  }

  #send(signal: NodeJS.Signals, state: WorkerState): void {
    if (this.#state === 'ended') return;
    this.#state = state;
    this.#isAskedToEnd ||= state === 'ending';
    this.#child.kill(signal);
  }
}

function parseLine(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
}

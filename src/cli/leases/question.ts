import { createInterface } from 'node:readline';

export interface Terminal {
  input: NodeJS.ReadableStream & { isTTY?: boolean };
  output: NodeJS.WritableStream & { isTTY?: boolean };
}

/** Whether there is somebody to answer. */
export function isInteractive({ input, output }: Terminal): boolean {
  return input.isTTY === true && output.isTTY === true;
}

/** Asks; anything but y or yes is no, and so is the end of the input, or `signal`. */
export async function isConfirmed(
  question: string,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<boolean> {
  return /^\s*y(es)?\s*$/i.test((await readLine(`${question} [y/N] `, terminal, signal)) ?? '');
}

/** @returns null at the end of the input, or of `signal` */
export async function readLine(
  prompt: string,
  { input, output }: Terminal,
  signal: AbortSignal,
): Promise<string | null> {
  output.write(prompt);
  // As no terminal of readline's own: Ctrl-C stays a signal.
  const lines = createInterface({ input, terminal: false, signal });
  try {
    for await (const line of lines) return line;
    return null;
  } finally {
    lines.close();
  }
}

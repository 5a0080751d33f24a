import { isConfirmed, isInteractive, readLine, type Terminal } from '../cli/leases/question.ts';
import type { Colors } from '../cli/text-table.ts';
import type { Clock } from '../core/clock.ts';
import { UsageError } from '../core/errors.ts';

/** What a deployment runs in. */
export interface Context {
  /** The clone, with a slash at its end. */
  readonly root: string;
  /** Where it is told what happens, and asked. */
  readonly terminal: Terminal;
  /** Is handed the lines of what is so in the end. */
  readonly print: (line: string) => void;
  readonly colors: Colors;
  readonly clock: Clock;
  /** Aborts when the user has had enough. */
  readonly signal: AbortSignal;
  /** Where programs are looked for, and what they get. */
  readonly environment: NodeJS.ProcessEnv;
}

export function say({ terminal }: Context, ...lines: readonly string[]): void {
  for (const line of lines) terminal.output.write(`${line}\n`);
}

/**
 * For what goes beyond the deployment, which --yes does not answer.
 *
 * @param option that does
 */
export async function isWanted(
  question: string,
  option: string,
  yes: boolean | undefined,
  context: Context,
): Promise<boolean> {
  const { terminal, signal } = context;
  signal.throwIfAborted();
  if (!yes && isInteractive(terminal)) {
    const isYes = await isConfirmed(question, terminal, signal);
    signal.throwIfAborted();
    return isYes;
  }
  say(context, `${question} (${option} says yes)`);
  return false;
}

/** @throws {UsageError} if there is nobody to ask */
export function requireSomebody({ terminal }: Context): void {
  if (isInteractive(terminal)) return;
  throw new UsageError('there is no terminal to confirm it on; add --yes');
}

/** @throws {UsageError} if there is nobody to ask; the reason of the signal, if that aborts */
export async function isAgreed(
  question: string,
  yes: boolean | undefined,
  context: Context,
): Promise<boolean> {
  const { terminal, signal } = context;
  signal.throwIfAborted();
  if (yes) return true;
  requireSomebody(context);
  const isYes = await isConfirmed(question, terminal, signal);
  signal.throwIfAborted();
  return isYes;
}

/**
 * For what cannot be undone: the name has to be typed.
 *
 * @throws {UsageError} if there is nobody to ask
 */
export async function isTyped(name: string, yes: boolean | undefined, context: Context): Promise<boolean> {
  const { terminal, signal } = context;
  signal.throwIfAborted();
  if (yes) return true;
  requireSomebody(context);
  return (await readLine(`Type ${name} to go on: `, terminal, signal))?.trim() === name;
}

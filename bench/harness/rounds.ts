import type { CaseOptions } from './bench-case.ts';

/**
 * Runs every contestant once in each round, each round beginning with another one: what heats or slows the machine
 * down comes to all of them.
 *
 * @returns what each has given, round by round
 */
export async function alternate<Name extends string, T>(
  contestants: Readonly<Record<Name, () => Promise<T>>>,
  { rounds, progress, signal }: Pick<CaseOptions, 'rounds' | 'progress' | 'signal'>,
): Promise<Record<Name, T[]>> {
  const names = Object.keys(contestants) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, T[]>;
  for (let round = 0; round < rounds; round += 1) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      signal.throwIfAborted();
      progress(`round ${round + 1} of ${rounds}: ${name}`);
      results[name].push(await contestants[name]());
    }
  }
  return results;
}

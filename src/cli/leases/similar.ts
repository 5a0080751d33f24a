const MAX_NAMES = 3;

/** Those of the names that somebody may have meant, the likeliest first. */
export function similarNames(name: string, names: readonly string[]): string[] {
  const wanted = name.toLowerCase();
  const limit = Math.max(2, Math.floor(name.length / 3));
  return names
    .map((candidate) => ({ candidate, distance: difference(wanted, candidate.toLowerCase(), limit) }))
    .filter(({ distance }) => distance <= limit)
    .sort((one, other) => one.distance - other.distance)
    .slice(0, MAX_NAMES)
    .map(({ candidate }) => candidate);
}

function difference(one: string, other: string, limit: number): number {
  if (one === other) return 0;
  if (one.length > 2 && other.length > 2 && (one.includes(other) || other.includes(one))) return 1;
  if (Math.abs(one.length - other.length) > limit) return Number.POSITIVE_INFINITY;
  return editDistance(one, other);
}

/** Levenshtein's: characters to insert, delete or replace. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [index, character] of [...one].entries()) {
    const next = [index + 1];
    for (const [column, otherCharacter] of [...other].entries()) {
      const replaced = (row[column] ?? 0) + (character === otherCharacter ? 0 : 1);
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}

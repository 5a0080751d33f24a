export interface Comparison {
  /** What the reference has published and the others have not, in order. */
  readonly missing: readonly string[];
  /** What the others have published and the reference has not, in order. */
  readonly extra: readonly string[];
  /** Different ids that the reference has published. */
  readonly due: number;
  /** Records that the others have published. */
  readonly published: number;
  /** Ids that were published more than once, and the one that was most often. */
  readonly repeated: number;
  readonly worst: { readonly id: string; readonly times: number } | null;
}

/** Compares the ids of all records that were published with those of an undisturbed reference. */
export function compareIds(reference: readonly string[], ids: readonly string[]): Comparison {
  const due = new Set(reference);
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  const repeats = [...counts].filter(([, times]) => times > 1).sort(([, a], [, b]) => b - a);
  const [worst] = repeats;
  return {
    missing: [...due].filter((id) => !counts.has(id)).sort(),
    extra: [...counts.keys()].filter((id) => !due.has(id)).sort(),
    due: due.size,
    published: ids.length,
    repeated: repeats.length,
    worst: worst === undefined ? null : { id: worst[0], times: worst[1] },
  };
}

/** What a worker's process holds; memory in bytes. */
export interface Sample {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
  readonly fileDescriptors: number | null;
  /** By type. */
  readonly resources: Readonly<Record<string, number>>;
  readonly listeners: number;
  /** Who has the most listeners. */
  readonly holders: ReadonlyArray<{ target: string; event: string; count: number }>;
}

/** The least of each figure. @param samples at least one */
export function leastOf(samples: readonly Sample[]): Sample {
  return samples.reduce((least, sample) => ({
    rss: Math.min(least.rss, sample.rss),
    heapUsed: Math.min(least.heapUsed, sample.heapUsed),
    external: Math.min(least.external, sample.external),
    arrayBuffers: Math.min(least.arrayBuffers, sample.arrayBuffers),
    fileDescriptors:
      least.fileDescriptors === null || sample.fileDescriptors === null
        ? null
        : Math.min(least.fileDescriptors, sample.fileDescriptors),
    resources: total(sample.resources) < total(least.resources) ? sample.resources : least.resources,
    ...(sample.listeners < least.listeners
      ? { listeners: sample.listeners, holders: sample.holders }
      : { listeners: least.listeners, holders: least.holders }),
  }));
}

/** How many of all types. */
export function total(resources: Sample['resources']): number {
  return Object.values(resources).reduce((sum, count) => sum + count, 0);
}

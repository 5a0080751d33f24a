/** Progress of a stream: everything up to and with this fragment is done. */
export interface Checkpoint {
  readonly fragmentNumber: string;
  readonly serverTimestampMillis: number;
  /** I-frames of the stream up to and with this fragment: what the sampler goes on from. */
  readonly iFrameCounter: number;
}

interface TrackedFragment {
  readonly fragmentNumber: string;
  readonly serverTimestampMillis: number;
  /** The counter after the fragment; null while its trailing tags have not been seen. */
  iFrameCounterAfter: number | null;
  /** By the id of each result that is to be: of the sampled frames that were handed on. */
  readonly results: Map<string, HandedOn>;
}

interface HandedOn {
  /** Of the frame's bytes; null if it was not taken after all. */
  digest: string | null;
  /** How often it is under way. */
  underWay: number;
}

/**
 * Decides how far a stream's checkpoint may move: past a fragment only when its trailing tags have been seen and
 * every sampled frame of it, and of all fragments before it, is published, or recorded as failed or dropped.
 *
 * It does not promise that each frame is handed on once: after a crash what was done since the last written
 * checkpoint is done again. While the process lives it is, also where a fragment is read more than once, unless other
 * bytes come for the frame: those before were damaged on their way, and may have failed for that.
 */
export class CheckpointTracker {
  /** In the order of the stream; the first is the oldest that is not done. */
  readonly #fragments = new Map<string, TrackedFragment>();
  #checkpoint: Checkpoint | null;
  #underWay = 0;
  #whenIdle: Array<() => void> = [];

  constructor(checkpoint: Checkpoint | null) {
    this.#checkpoint = checkpoint;
  }

  /** Whether every frame that was handed on is settled or abandoned. */
  get isIdle(): boolean {
    return this.#underWay === 0;
  }

  /** Resolves when every frame that was handed on is settled or abandoned. */
  async whenIdle(): Promise<void> {
    if (!this.isIdle) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /** The furthest point that everything is done up to; null before the first. Never moves back. */
  get checkpoint(): Checkpoint | null {
    return this.#checkpoint;
  }

  /**
   * A fragment's frames follow; for the second time, if its first reading was cut.
   *
   * @returns the fragments before it that were cut and never read again: the service no longer has them. They
   *   count as complete, so that they do not hold the checkpoint for ever.
   */
  start(fragmentNumber: string, serverTimestampMillis: number, iFrameCounterBefore: number): string[] {
    if (this.#fragments.has(fragmentNumber)) return [];
    const cut = [...this.#fragments.values()].filter((fragment) => fragment.iFrameCounterAfter === null);
    for (const fragment of cut) fragment.iFrameCounterAfter = iFrameCounterBefore;
    this.#fragments.set(fragmentNumber, {
      fragmentNumber,
      serverTimestampMillis,
      iFrameCounterAfter: null,
      results: new Map(),
    });
    this.#advance();
    return cut.map((fragment) => fragment.fragmentNumber);
  }

  /**
   * @param id of the result: a frame has one for each endpoint that gets it
   * @param digest of the frame's bytes
   * @returns whether to hand the sampled frame on: not if an earlier, cut reading did
   */
  handOn(fragmentNumber: string, id: string, digest: string): boolean {
    const results = this.#fragments.get(fragmentNumber)?.results;
    const before = results?.get(id);
    if (results === undefined || before?.digest === digest) return false;
    results.set(id, { digest, underWay: (before?.underWay ?? 0) + 1 });
    this.#underWay += 1;
    return true;
  }

  /** The frame was not taken after all, so a later reading hands it on. */
  takeBack(fragmentNumber: string, id: string): void {
    const result = this.#fragments.get(fragmentNumber)?.results.get(id);
    if (result !== undefined) {
      result.digest = null;
      result.underWay -= 1;
    }
    this.#end();
  }

  /** The frame is given up because the lease is: the checkpoint stays before it, and the next owner reads it. */
  abandon(): void {
    this.#end();
  }

  /** The result is published, or recorded as failed or dropped. */
  settle(fragmentNumber: string, id: string): void {
    const result = this.#fragments.get(fragmentNumber)?.results.get(id);
    if (result !== undefined) result.underWay -= 1;
    this.#advance();
    this.#end();
  }

  /** The fragment's trailing tags have been seen: it is complete. */
  complete(fragmentNumber: string, iFrameCounterAfter: number): void {
    const fragment = this.#fragments.get(fragmentNumber);
    if (fragment !== undefined) fragment.iFrameCounterAfter = iFrameCounterAfter;
    this.#advance();
  }

  #end(): void {
    this.#underWay -= 1;
    if (this.isIdle) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  #advance(): void {
    for (const fragment of this.#fragments.values()) {
      const { fragmentNumber, serverTimestampMillis, iFrameCounterAfter, results } = fragment;
      if (iFrameCounterAfter === null) return;
      for (const { underWay } of results.values()) if (underWay > 0) return;
      this.#fragments.delete(fragmentNumber);
      this.#checkpoint = { fragmentNumber, serverTimestampMillis, iFrameCounter: iFrameCounterAfter };
    }
  }
}

/** What a share and its budget know of each other. */
interface Account {
  /** Bytes. */
  held: number;
  /** What its queue waits to take next, if anything: bytes. */
  claim: number | null;
  /** Nothing is given back before it goes on. */
  isPaused: boolean;
  onRoom: () => void;
}

/**
 * The bytes that all queues together may hold. Each has a share, an equal part of them, so that a queue which is full,
 * because its endpoint hangs, leaves the others theirs.
 *
 * What is larger than a share is let in when its own queue holds nothing, and the total has room beside what the others
 * hold. What is larger than the total is let in alone: the only case in which the total is exceeded. While it is
 * inside, the others have what remains.
 *
 * Who waits for the total has a claim, in the order in which they began to wait: later ones take nothing that an earlier
 * claim needs, or small frames could keep a large one out for ever. A claim that cannot be met before a paused queue goes
 * on holds up nobody.
 */
export class ByteBudget {
  readonly #accounts = new Set<Account>();
  /** Those with a claim, in order. */
  readonly #claimants = new Set<Account>();
  #total: number;
  #held = 0;
  #hasChanged = false;
  #isTelling = false;

  /** @param total bytes */
  constructor(total: number) {
    this.#total = total;
  }

  get total(): number {
    return this.#total;
  }

  /** A smaller one takes nothing away from what is held. */
  set total(bytes: number) {
    this.#total = bytes;
    this.#tell();
  }

  /** Bytes that are held by all. */
  get held(): number {
    return this.#held;
  }

  /** Divides the total anew. */
  share(): ByteShare {
    const account: Account = { held: 0, claim: null, isPaused: false, onRoom: () => {} };
    this.#accounts.add(account);
    this.#tell();
    return {
      get held() {
        return account.held;
      },
      take: (bytes) => this.#take(account, bytes),
      give: (bytes) => this.#give(account, bytes),
      hasRoom: (bytes, freed) => this.#hasRoom(account, bytes, freed),
      isStuck: (bytes) => this.#isStuck(account, bytes),
      claim: (bytes) => this.#claim(account, bytes),
      setPaused: (isPaused) => this.#setPaused(account, isPaused),
      onRoom: (listener) => {
        account.onRoom = listener;
      },
      close: () => this.#close(account),
    };
  }

  #take(account: Account, bytes: number): boolean {
    if (!this.#hasRoom(account, bytes, 0, this.#claimedBefore(account))) return false;
    account.held += bytes;
    this.#held += bytes;
    // What it wants next is behind what the others have claimed.
    account.claim = null;
    this.#claimants.delete(account);
    this.#tell();
    return true;
  }

  #give(account: Account, bytes: number): void {
    account.held -= bytes;
    this.#held -= bytes;
    this.#tell();
  }

  #hasRoom(account: Account, bytes: number, freed: number, claimed = 0): boolean {
    const own = account.held - freed;
    if (own > 0 && own + bytes > this.#shareOfTotal()) return false;
    const all = this.#held - freed + claimed;
    return all === 0 || all + bytes <= this.#total;
  }

  #isStuck(account: Account, bytes: number): boolean {
    if (account.isPaused && account.held > 0 && bytes > this.#shareOfTotal()) return true;
    let stuck = 0;
    for (const { isPaused, held } of this.#accounts) if (isPaused) stuck += held;
    return stuck > 0 && stuck + bytes > this.#total;
  }

  /** What earlier claims of others need. Who must wait for its own queue claims nothing yet. */
  #claimedBefore(account: Account): number {
    let bytes = 0;
    for (const other of this.#claimants) {
      if (other === account) break;
      const { claim, held } = other;
      if (claim === null || (held > 0 && held + claim > this.#shareOfTotal())) continue;
      if (!this.#isStuck(other, claim)) bytes += claim;
    }
    return bytes;
  }

  #claim(account: Account, bytes: number | null): void {
    if (account.claim === bytes) return;
    account.claim = bytes;
    if (bytes === null) this.#claimants.delete(account);
    else this.#claimants.add(account);
    this.#tell();
  }

  #setPaused(account: Account, isPaused: boolean): void {
    if (account.isPaused === isPaused) return;
    account.isPaused = isPaused;
    this.#tell();
  }

  #close(account: Account): void {
    if (account.held > 0) throw new Error(`a share is closed that holds ${account.held} bytes`);
    this.#accounts.delete(account);
    this.#claimants.delete(account);
    this.#tell();
  }

  #shareOfTotal(): number {
    return Math.floor(this.#total / Math.max(1, this.#accounts.size));
  }

  /** Each is told until nothing changes by it any more: what one takes or claims can matter to the others. */
  #tell(): void {
    this.#hasChanged = true;
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      while (this.#hasChanged) {
        this.#hasChanged = false;
        for (const account of [...this.#accounts]) account.onRoom();
      }
    } finally {
      this.#isTelling = false;
    }
  }
}

/** One queue's part of a ByteBudget. */
export interface ByteShare {
  /** Bytes. */
  readonly held: number;
  /** @returns whether there was room; then the bytes are held until they are given back */
  take(bytes: number): boolean;
  give(bytes: number): void;
  /** Whether there is room, or would be if `freed` of the bytes held were given back; regardless of claims. */
  hasRoom(bytes: number, freed: number): boolean;
  /** Whether there can be no room before a paused queue goes on. */
  isStuck(bytes: number): boolean;
  /** What the queue waits to take next; null: nothing. The claim keeps its place until something is taken. */
  claim(bytes: number | null): void;
  /** Tells that nothing may be given back for long, or that it may be again. */
  setPaused(isPaused: boolean): void;
  /** Who is called whenever there may be room; also from within its own calls. */
  onRoom(listener: () => void): void;
  /** Divides the total among the others. To be called when nothing is held, nor wanted any more. */
  close(): void;
}

export interface QueuedEvent {
  /** Milliseconds of true time. */
  at: number;
  /** Set by the queue: of two at the same time, the one that was added first comes first. */
  sequence: number;
}

/** A binary heap by time. What comes out depends on nothing but what was put in, and in which order. */
export class EventQueue<Event extends QueuedEvent> {
  readonly #heap: Event[] = [];
  #added = 0;

  peek(): Event | undefined {
    return this.#heap[0];
  }

  add(event: Event): void {
    event.sequence = this.#added;
    this.#added += 1;
    const heap = this.#heap;
    let index = heap.length;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above] as Event;
      if (!isBefore(event, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = event;
  }

  removeFirst(): void {
    const heap = this.#heap;
    const event = heap.pop();
    if (event === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const isRightFirst = right < heap.length && isBefore(heap[right] as Event, heap[left] as Event);
      const below = isRightFirst ? right : left;
      const child = heap[below] as Event;
      if (!isBefore(child, event)) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = event;
  }
}

function isBefore(one: QueuedEvent, other: QueuedEvent): boolean {
  return one.at < other.at || (one.at === other.at && one.sequence < other.sequence);
}

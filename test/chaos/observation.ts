/** What a worker's log tells about a lease. */
export interface LeaseEvent {
  readonly type: 'taken' | 'handedOver' | 'released' | 'reading';
  /** Milliseconds since the Unix epoch. */
  readonly atMillis: number;
  /** The worker's id as its log has it. */
  readonly worker: string;
  readonly streamName: string;
  /** To whom it was handed over. */
  readonly successor: string | null;
}

/** A signal that a worker has not lived on after. */
export interface Departure {
  readonly type: 'killed' | 'terminated';
  readonly atMillis: number;
  readonly worker: string;
}

export interface Gaps {
  /** How long nobody read a stream, milliseconds, one for each. */
  readonly millis: readonly number[];
  /** Streams that nobody has read since. */
  readonly open: number;
}

const EVENTS: Readonly<Record<string, LeaseEvent['type']>> = {
  'lease taken': 'taken',
  'lease handed over': 'handedOver',
  'lease released': 'released',
  reading: 'reading',
  'reading again': 'reading',
};

/** The beginning of a worker's id, which its log lines carry. */
const ID_CHARACTERS = 8;

/** @returns null for a line that tells nothing about a lease */
export function leaseEvent(line: Readonly<Record<string, unknown>>): LeaseEvent | null {
  const { msg, streamName, successor, time, worker } = line;
  const type = typeof msg === 'string' && Object.hasOwn(EVENTS, msg) ? EVENTS[msg] : undefined;
  if (type === undefined || typeof streamName !== 'string' || typeof worker !== 'string') return null;
  return {
    type,
    atMillis: Date.parse(String(time)),
    worker,
    streamName,
    successor: typeof successor === 'string' ? successor.slice(0, ID_CHARACTERS) : null,
  };
}

/** The streams that a worker had at a time, or was about to have, as far as all logs tell. */
export function ownedStreams(events: readonly LeaseEvent[], worker: string, atMillis: number): string[] {
  const owners = new Map<string, string | null>();
  for (const event of inOrder(events)) {
    if (event.atMillis > atMillis) break;
    const owner = owners.get(event.streamName);
    if (event.type === 'taken') owners.set(event.streamName, event.worker);
    else if (event.type !== 'reading' && owner === event.worker) {
      owners.set(event.streamName, event.successor);
    }
  }
  return [...owners].flatMap(([streamName, owner]) => (owner === worker ? [streamName] : []));
}

/**
 * From each SIGKILL to the first reading of another worker, for each stream of the dead one; from its hand-over for
 * one that was handed over to a worker that was dead already.
 */
export function failOverGaps(events: readonly LeaseEvent[], departures: readonly Departure[]): Gaps {
  const starts = departures.flatMap(({ type, worker, atMillis }) => {
    if (type !== 'killed') return [];
    const late = events.filter((event) => event.successor === worker && event.atMillis > atMillis);
    return [
      ...ownedStreams(events, worker, atMillis).map((streamName) => ({ worker, streamName, atMillis })),
      ...late.map(({ streamName, atMillis: handedOverAt }) => ({
        worker,
        streamName,
        atMillis: handedOverAt,
      })),
    ];
  });
  return gapsOf(starts, events);
}

/** From each lease that a worker let go to the first reading of another: after SIGTERM, and while it went on itself. */
export function handOverGaps(
  events: readonly LeaseEvent[],
  departures: readonly Departure[],
): { atTermination: Gaps; whileSharing: Gaps } {
  const times = (type: Departure['type']) =>
    new Map(
      departures.flatMap((departure) =>
        departure.type === type ? [[departure.worker, departure.atMillis]] : [],
      ),
    );
  const [terminatedAt, killedAt] = [times('terminated'), times('killed')];
  const isTerminated = ({ worker, atMillis }: LeaseEvent) =>
    atMillis >= (terminatedAt.get(worker) ?? Number.POSITIVE_INFINITY);
  // The killed worker's fail-over counts that in.
  const isLostByKill = ({ successor, streamName, atMillis }: LeaseEvent) =>
    successor !== null &&
    killedAt.has(successor) &&
    !events.some(
      (event) =>
        event.type === 'reading' &&
        event.worker === successor &&
        event.streamName === streamName &&
        event.atMillis >= atMillis,
    );
  const lettingsGo = events.filter(
    (event) => (event.type === 'handedOver' || event.type === 'released') && !isLostByKill(event),
  );
  return {
    atTermination: gapsOf(lettingsGo.filter(isTerminated), events),
    whileSharing: gapsOf(
      lettingsGo.filter((event) => !isTerminated(event)),
      events,
    ),
  };
}

function gapsOf(
  starts: ReadonlyArray<Pick<LeaseEvent, 'worker' | 'streamName' | 'atMillis'>>,
  events: readonly LeaseEvent[],
): Gaps {
  const readings = inOrder(events.filter(({ type }) => type === 'reading'));
  const ends = starts.map((start) => {
    const end = readings.find(
      ({ worker, streamName, atMillis }) =>
        streamName === start.streamName && worker !== start.worker && atMillis >= start.atMillis,
    );
    return end === undefined ? null : end.atMillis - start.atMillis;
  });
  const millis = ends.filter((end) => end !== null);
  return { millis, open: ends.length - millis.length };
}

/** The lines of several processes arrive out of order. */
function inOrder(events: readonly LeaseEvent[]): LeaseEvent[] {
  return events.toSorted((a, b) => a.atMillis - b.atMillis);
}

export interface DiscoveredStream {
  readonly streamName: string;
  /**
   * Null where it could not be asked for. Ends in the stream's creation time, which tells a stream from one that was
   * created again under its name.
   */
  readonly streamArn: string | null;
}

export interface Discovery {
  readonly streams: readonly DiscoveredStream[];
  /** Whether everything could be asked: only then is a stream that is not listed really gone. */
  readonly isComplete: boolean;
}

/** The parts of `arn:aws:kinesisvideo:REGION:ACCOUNT:stream/NAME/CREATION`. */
export interface StreamArn {
  /** All but the creation time: the same for every stream that ever had this name there. */
  readonly place: string;
  readonly streamName: string;
  readonly creationMillis: number;
}

/** @returns null for what is no ARN of a video stream */
export function parseStreamArn(arn: string): StreamArn | null {
  const [, place, streamName, creation] =
    /^(arn:[^:]+:kinesisvideo:[^:]*:[^:]*:stream\/([^/]+))\/(\d+)$/.exec(arn) ?? [];
  if (place === undefined || streamName === undefined) return null;
  return { place, streamName, creationMillis: Number(creation) };
}

/** A stream as a configuration names it. @param reference its name or its ARN */
export function namedStream(reference: string): DiscoveredStream {
  const arn = parseStreamArn(reference);
  return { streamName: arn?.streamName ?? reference, streamArn: arn === null ? null : reference };
}

/**
 * How a call names a stream: by its ARN where that is known, as a stream that was created again under the name is another
 * one.
 */
export function identifierOf({ streamName, streamArn }: DiscoveredStream) {
  return streamArn === null ? { StreamName: streamName } : { StreamARN: streamArn };
}

/** Two streams of one name, of which only one can be read: leases and results go by the name. */
export interface NameClash {
  readonly streamName: string;
  readonly keptArn: string;
  readonly refusedArn: string;
}

/**
 * The streams, each name once and in the order of the names. Of streams that had a name one after the other the last
 * created counts (a list of tags may still hold one that is deleted); of others, the first.
 */
export function unite(found: readonly DiscoveredStream[]): {
  streams: DiscoveredStream[];
  clashes: NameClash[];
} {
  const byName = new Map<string, DiscoveredStream>();
  const clashes: NameClash[] = [];
  for (const stream of found) {
    const { streamName, streamArn } = stream;
    const keptArn = byName.get(streamName)?.streamArn ?? null;
    if (keptArn === null) {
      byName.set(streamName, stream);
    } else if (streamArn !== null) {
      const [kept, other] = [parseStreamArn(keptArn), parseStreamArn(streamArn)];
      if (kept?.place !== other?.place) {
        clashes.push({ streamName, keptArn, refusedArn: streamArn });
      } else if (kept !== null && other !== null && other.creationMillis > kept.creationMillis) {
        byName.set(streamName, stream);
      }
    }
  }
  const streams = [...byName.values()].sort((a, b) => (a.streamName < b.streamName ? -1 : 1));
  return { streams, clashes };
}

/**
 * The waiting frames that go so that there is room for one more of `streamName`: the oldest of its own; when there are
 * none, the oldest of the stream with most of them.
 *
 * @param waiting by stream, the oldest first
 * @param hasRoom whether there is room when so many frames, with so many bytes in all, have gone
 * @returns null if there is no room even without any of them
 */
export function framesToDrop<T extends { readonly bytes: number }>(
  waiting: ReadonlyMap<string, readonly T[]>,
  streamName: string,
  hasRoom: (frames: number, bytes: number) => boolean,
): T[] | null {
  const own = [...(waiting.get(streamName) ?? [])];
  const others = new Map([...waiting].map(([name, frames]) => [name, [...frames]]));
  others.delete(streamName);
  const dropped: T[] = [];
  let bytes = 0;
  while (!hasRoom(dropped.length, bytes)) {
    const frame = own.shift() ?? longest(others.values()).shift();
    if (frame === undefined) return null;
    dropped.push(frame);
    bytes += frame.bytes;
  }
  return dropped;
}

export function sumOfBytes(frames: readonly { readonly bytes: number }[]): number {
  return frames.reduce((sum, { bytes }) => sum + bytes, 0);
}

function longest<T>(lists: Iterable<T[]>): T[] {
  let longest: T[] = [];
  for (const list of lists) if (list.length > longest.length) longest = list;
  return longest;
}

/** Where in a stream to read on. */
export type ReadPosition =
  | { readonly type: 'EARLIEST' }
  /** The fragment that contains this server timestamp, milliseconds since the Unix epoch, or the next one. */
  | { readonly type: 'SERVER_TIMESTAMP'; readonly millis: number }
  /** Strictly after this fragment. */
  | { readonly type: 'AFTER_FRAGMENT'; readonly fragmentNumber: string };

/** Which stream to read. */
export interface StreamReference {
  readonly streamName: string;
  /**
   * Names one stream for ever, while a name is given to another one when its stream was deleted. Null where it is
   * not known.
   */
  readonly streamArn: string | null;
}

/**
 * Gives a stream's media as Matroska. GetMedia is one such source; what reads from it knows of no other detail.
 */
export interface MediaSource {
  /**
   * Opens a body at the position.
   *
   * @param signal ends the opening, and the body too: the connection is closed at once, also while nothing is read
   */
  open(stream: StreamReference, position: ReadPosition, signal: AbortSignal): Promise<MediaBody>;
}

/** A body that was opened; it is to be read, once. */
export interface MediaBody {
  /**
   * Gives the chunks to `write`, in order, each as soon as it is there; where `write` returns a promise, the next one
   * when that has resolved. Resolves at the end of the body, which may come at any time and means "ask again", never
   * "done". Rejects with what has ended it before, or with what `write` fails with: the connection is closed at once, but
   * it settles only when the last `write` has.
   */
  read(write: WriteChunk): Promise<void>;
}

/** Takes a chunk. @returns a promise where the next one has to wait */
export type WriteChunk = (chunk: Buffer) => Promise<void> | undefined;
